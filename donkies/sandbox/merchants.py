"""What people's money is spent on: the pretended merchants and regular payments.

All names are invented. Each entry becomes a template of a transaction's constant fields.
"""

from dataclasses import dataclass
from typing import Any

from .wire import derived_guid

CREDIT, DEBIT = "CREDIT", "DEBIT"
CHECKING, SAVINGS, CARD, LOAN, MORTGAGE, INVESTMENT = range(6)


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of transaction; amounts in cents, from `low` to `high`."""

    description: str
    top_level_category: str
    category: str
    low: int
    high: int
    type: str = DEBIT
    code: int | None = None
    flags: tuple[str, ...] = ()

    @property
    def merchant_guid(self) -> str | None:
        return None if self.code is None else derived_guid("MCH", self.description)

    def to_fields(self) -> dict[str, Any]:
        """Build the fields that are the same in every transaction of this kind."""
        is_transfer = self.top_level_category == "Transfer"
        fields = dict.fromkeys(_FLAGS, False)
        fields["is_expense"] = self.type == DEBIT and not is_transfer
        fields.update(dict.fromkeys(self.flags, True))
        return {
            "type": self.type,
            "status": "POSTED",
            "description": self.description,
            "category": self.category,
            "top_level_category": self.top_level_category,
            "merchant_guid": self.merchant_guid,
            "merchant_location_guid": None,
            "merchant_category_code": self.code,
            "memo": None,
            "check_number": None,
            "check_number_string": None,
            "currency_code": "USD",
            "latitude": None,
            "longitude": None,
            **fields,
        }


_FLAGS = (
    "is_bill_pay", "is_direct_deposit", "is_expense", "is_fee", "is_income", "is_international",
    "is_overdraft_fee", "is_payroll_advance", "is_subscription",
)  # fmt: skip
_FOOD, _HOME, _BILLS = "Food & Dining", "Home", "Bills & Utilities"
_AUTO, _SHOP, _FUN = "Auto & Transport", "Shopping", "Entertainment"

_EVERYDAY = (
    Entry("Corner Basket Market", _FOOD, "Groceries", 620, 9400, code=5411),
    Entry("Harvest Lane Grocers", _FOOD, "Groceries", 1150, 13800, code=5411),
    Entry("Green Crate Foods", _FOOD, "Groceries", 480, 6100, code=5411),
    Entry("Bluebird Coffee", _FOOD, "Coffee Shops", 325, 890, code=5814),
    Entry("Third Cup Espresso", _FOOD, "Coffee Shops", 375, 1040, code=5814),
    Entry("Noodle Harbor", _FOOD, "Restaurants", 1180, 5200, code=5812),
    Entry("Taco Lantern", _FOOD, "Fast Food", 790, 2600, code=5814),
    Entry("The Copper Spoon", _FOOD, "Restaurants", 1900, 8800, code=5812),
    Entry("Roadrunner Fuel", _AUTO, "Gas", 1800, 6400, code=5541),
    Entry("Metro Line Transit", _AUTO, "Public Transportation", 250, 1250, code=4111),
    Entry("Parkwell Garage", _AUTO, "Parking", 400, 2200, code=7523),
    Entry("Willow Pharmacy", "Health & Fitness", "Pharmacy", 540, 4900, code=5912),
    Entry("Nailhead Hardware", _HOME, "Home Improvement", 780, 11500, code=5251),
)
_ON_CARD = (
    *_EVERYDAY,
    Entry("Pagefold Books", _SHOP, "Books", 890, 4300, code=5942),
    Entry("Threadneedle Outfitters", _SHOP, "Clothing", 1990, 14900, code=5651),
    Entry("Gadget Orchard", _SHOP, "Electronics & Software", 1490, 24900, code=5732),
    Entry("Starlight Cinemas", _FUN, "Movies & DVDs", 1150, 4600, code=7832),
    Entry("Swiftwheel Rides", _AUTO, "Rental Car & Taxi", 820, 3900, code=4121),
    Entry("Paws and Whiskers", "Pets", "Pet Food & Supplies", 990, 7200, code=5995),
    Entry("Lisboa Azul Hotel", "Travel", "Hotel", 9800, 24500, code=7011, flags=("is_international",)),
    Entry("Threadneedle Outfitters Return", _SHOP, "Clothing", 1990, 9900, CREDIT, code=5651),
    Entry("Gadget Orchard Refund", _SHOP, "Electronics & Software", 1490, 9900, CREDIT, code=5732),
)
_IN_CHECKING = (
    *_EVERYDAY,
    Entry("Cash Withdrawal", "Uncategorized", "Cash & ATM", 2000, 14000),
    Entry("Riverside Water", _BILLS, "Utilities", 2200, 6800, code=4900, flags=("is_bill_pay",)),
    Entry("Transfer from a Friend", "Transfer", "Transfer", 800, 9000, CREDIT),
    Entry("Shared Dinner Paid Back", "Transfer", "Transfer", 900, 5600, CREDIT),
    Entry("Mobile Check Deposit", "Income", "Income", 2500, 18000, CREDIT, flags=("is_income",)),
    Entry("Weekend Work", "Income", "Income", 6000, 21000, CREDIT, flags=("is_income",)),
    Entry("Harvest Lane Refund", _FOOD, "Groceries", 410, 3200, CREDIT, code=5411),
)
POOLS: dict[int, tuple[Entry, ...]] = {
    CHECKING: _IN_CHECKING,
    SAVINGS: (
        Entry("Round-up Savings", "Transfer", "Transfer", 25, 990, CREDIT),
        Entry("Transfer from Checking", "Transfer", "Transfer", 2500, 20000, CREDIT),
        Entry("Transfer to Checking", "Transfer", "Transfer", 2500, 15000),
    ),
    CARD: _ON_CARD,
    LOAN: (
        Entry("Car Loan Payment", "Transfer", "Transfer", 4500, 9500, CREDIT),
        Entry("Interest Charge", "Fees & Charges", "Finance Charge", 310, 1240, flags=("is_fee",)),
    ),
    MORTGAGE: (
        Entry("Mortgage Principal Payment", "Transfer", "Transfer", 18000, 42000, CREDIT),
        Entry("Mortgage Interest", "Fees & Charges", "Finance Charge", 9000, 21000, flags=("is_fee",)),
    ),
    INVESTMENT: (
        Entry("Dividend Received", "Income", "Dividend & Cap Gains", 180, 6400, CREDIT),
        Entry("Index Fund Purchase", "Investments", "Buy", 2500, 30000),
        Entry("Contribution", "Transfer", "Transfer", 5000, 25000, CREDIT),
        Entry("Index Fund Sale", "Investments", "Sell", 2500, 30000, CREDIT),
    ),
}

_SALARY = Entry(
    "Halcyon Design Studio Payroll", "Income", "Paycheck", 261_842, 261_842, CREDIT,
    flags=("is_direct_deposit", "is_income"),
)  # fmt: skip


def _bill(description: str, category: str, cents: int, code: int, *flags: str) -> Entry:
    return Entry(description, _BILLS, category, cents, cents, code=code, flags=("is_bill_pay", *flags))


# What comes every month: (account, day of the month, which of the account's rows that day).
REGULAR: dict[tuple[int, int, int], Entry] = {
    (CHECKING, 1, 0): _SALARY,
    (CHECKING, 1, 1): Entry("Maple Court Rent", _HOME, "Mortgage & Rent", 165_000, 165_000, code=6513),
    (CHECKING, 15, 0): _SALARY,
    (CHECKING, 3, 0): _bill("Northlight Electric", "Utilities", 8740, 4900),
    (CHECKING, 5, 0): _bill("Looped Fiber Internet", "Internet", 6499, 4899, "is_subscription"),
    (CHECKING, 7, 0): _bill("Umbrella Mutual Insurance", "Insurance", 11_250, 6300),
    (CHECKING, 12, 0): _bill("Songbird Mobile", "Mobile Phone", 4500, 4814, "is_subscription"),
    (CHECKING, 20, 0): Entry("Transfer to Savings", "Transfer", "Transfer", 30_000, 30_000),
    (CHECKING, 25, 0): Entry("Card Payment", "Transfer", "Credit Card Payment", 118_000, 118_000),
    (CHECKING, 28, 0): Entry("Monthly Account Fee", "Fees & Charges", "Service Fee", 500, 500, flags=("is_fee",)),
    (CARD, 4, 0): Entry("Reelhouse Streaming", _FUN, "Television", 1599, 1599, code=4899, flags=("is_subscription",)),
    (CARD, 9, 0): Entry("Tunewell Music", _FUN, "Music", 1099, 1099, code=5815, flags=("is_subscription",)),
    (CARD, 18, 0): Entry("Ironwood Gym", "Health & Fitness", "Gym", 3900, 3900, code=7997, flags=("is_subscription",)),
    (CARD, 25, 0): Entry("Payment Received", "Transfer", "Credit Card Payment", 118_000, 118_000, CREDIT),
    (SAVINGS, 20, 0): Entry("Transfer from Checking", "Transfer", "Transfer", 30_000, 30_000, CREDIT),
    (SAVINGS, 28, 0): Entry("Interest Paid", "Income", "Interest Income", 1187, 1187, CREDIT),
}

ENTRIES: tuple[Entry, ...] = tuple(dict.fromkeys((*(e for pool in POOLS.values() for e in pool), *REGULAR.values())))
