"""Decimals of the currencies.

The list is ISO 4217 as the package ``iso4217`` has it; a test compares the two, so a new edition turns it red.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeGuard

_BY_DECIMALS: Final = {
    0: """
BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
""",
    2: """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY
COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR
MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP
STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
""",
    3: """
BHD IQD JOD KWD LYD OMR TND
""",
    4: """
CLF UYW
""",
}

DECIMALS: Final[Mapping[str, int]] = {
    code: decimals for decimals, codes in _BY_DECIMALS.items() for code in codes.split()
}
"""Decimals by ISO 4217 code.

A publisher's own token is not here: its precision is a setting at Tilia.
"""


def is_code(value: object) -> TypeGuard[str]:
    """Return True for what can be a currency code.

    ISO 4217 or a publisher's token (fact sheet "money", 0.6).
    """
    return isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalnum()


def as_iso_writes_it(currency: str) -> str:
    """Return the code in capitals if ISO 4217 knows it.

    A publisher's own token stays as it is written.
    """
    capitals = currency.upper()
    return capitals if capitals in DECIMALS else currency
