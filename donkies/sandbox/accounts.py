"""The six accounts of a member. Source: ATRIUM.md 2.7, 4.3."""

from datetime import UTC, datetime, timedelta
from typing import Any

from .wire import derived_guid, moment

_MONEY = (
    "apr", "apy", "available_balance", "available_credit", "balance", "cash_balance",
    "cash_surrender_value", "credit_limit", "death_benefit", "holdings_value", "interest_rate",
    "last_payment", "loan_amount", "minimum_balance", "minimum_payment", "original_balance",
    "pay_out_amount", "payoff_balance", "premium_amount", "total_account_value",
)  # fmt: skip
_OTHERS = ("day_payment_is_due", "insured_name", "last_payment_at", "matures_on", "payment_due_at", "started_on")

# Debts are positive when owed, as MX says.
_ACCOUNTS: tuple[dict[str, Any], ...] = (
    {
        "name": "Everyday Checking",
        "type": "CHECKING",
        "balance": 3184.27,
        "available_balance": 3042.81,
    },
    {
        "name": "Rainy Day Savings",
        "type": "SAVINGS",
        "subtype": "MONEY_MARKET",
        "balance": 12_650.4,
        "available_balance": 12_650.4,
        "apy": 3.25,
        "interest_rate": 3.2,
    },
    {
        "name": "Rewards Card",
        "type": "CREDIT_CARD",
        "balance": 1246.18,
        "available_credit": 6753.82,
        "credit_limit": 8000.0,
        "apr": 19.99,
        "minimum_payment": 35.0,
        "last_payment": 1180.0,
        "day_payment_is_due": 25,
    },
    {
        "name": "Car Loan",
        "type": "LOAN",
        "balance": 9875.5,
        "original_balance": 18_500.0,
        "loan_amount": 18_500.0,
        "payoff_balance": 9921.04,
        "interest_rate": 5.9,
        "minimum_payment": 356.0,
        "day_payment_is_due": 10,
    },
    {
        "name": "Home Mortgage",
        "type": "MORTGAGE",
        "balance": 214_320.66,
        "original_balance": 260_000.0,
        "loan_amount": 260_000.0,
        "interest_rate": 4.125,
        "minimum_payment": 1264.0,
        "day_payment_is_due": 7,
    },
    {
        "name": "Brokerage",
        "type": "INVESTMENT",
        "balance": 27_418.93,
        "available_balance": 1204.11,
        "cash_balance": 1204.11,
        "holdings_value": 26_214.82,
        "total_account_value": 27_418.93,
    },
)


def account_guids(member_guid: str) -> list[str]:
    """List the GUIDs of a member's accounts, the same each time."""
    return [derived_guid("ACT", member_guid, index) for index in range(len(_ACCOUNTS))]


def accounts_of(
    member_guid: str, user_guid: str, institution_code: str, created_at: float, customer: str
) -> list[dict[str, Any]]:
    """Build a member's accounts as the wire shows them; they never change.

    Args: customer, who the bank takes the login for: whichever member shows their accounts, the numbers are the same.
    """
    seen_at = moment(created_at)
    due = datetime.fromtimestamp(created_at, UTC).date() + timedelta(days=21)
    accounts = []
    for index, (guid, given) in enumerate(zip(account_guids(member_guid), _ACCOUNTS, strict=True)):
        number = int(derived_guid("NUM", user_guid, institution_code, customer, index)[-4:], 16) % 10_000
        account: dict[str, Any] = dict.fromkeys(("subtype", *_MONEY, *_OTHERS))
        account.update(given)
        account.update(
            guid=guid,
            user_guid=user_guid,
            member_guid=member_guid,
            institution_code=institution_code,
            account_number=f"XXXX{number:04d}",
            currency_code="USD",
            is_closed=False,
            created_at=seen_at,
            updated_at=seen_at,
        )
        if account["day_payment_is_due"]:
            account["payment_due_at"] = f"{due.isoformat()}T12:00:00Z"
        accounts.append(account)
    return accounts
