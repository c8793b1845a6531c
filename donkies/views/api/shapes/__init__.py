"""What the API answers, for the OpenAPI document and for the tests, which hold every answer against it.

Answers themselves are made without these models: rows go straight from SQL to JSON.
"""

from .banking import Account as Account
from .banking import Accounts as Accounts
from .banking import DayBalance as DayBalance
from .banking import DayBalances as DayBalances
from .banking import Feed as Feed
from .banking import Gone as Gone
from .banking import Summary as Summary
from .banking import SummaryLine as SummaryLine
from .banking import Transaction as Transaction
from .banking import Transactions as Transactions
from .base import BadField as BadField
from .base import Health as Health
from .base import Problem as Problem
from .base import Shape as Shape
from .links import AccountStand as AccountStand
from .links import AdoptedAccount as AdoptedAccount
from .links import Adoption as Adoption
from .links import AuthorizeUrl as AuthorizeUrl
from .links import Challenge as Challenge
from .links import Challenges as Challenges
from .links import CredentialField as CredentialField
from .links import CredentialFields as CredentialFields
from .links import DownloadReport as DownloadReport
from .links import DownloadUnderWay as DownloadUnderWay
from .links import ImageOption as ImageOption
from .links import Institution as Institution
from .links import Institutions as Institutions
from .links import LinkedAccount as LinkedAccount
from .links import LinkedAccounts as LinkedAccounts
from .links import LinkSession as LinkSession
from .links import Option as Option
from .links import SyncReports as SyncReports
from .oauth import Introspection as Introspection
from .oauth import Jwks as Jwks
from .oauth import OAuthError as OAuthError
from .oauth import ServerMetadata as ServerMetadata
from .oauth import Tokens as Tokens
from .oauth import UserInfo as UserInfo
from .people import Erasure as Erasure
from .people import Profile as Profile
