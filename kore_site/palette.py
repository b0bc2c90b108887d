"""The colours of Kore: cool paper greys and one accent, a deep petrol."""

from collections.abc import Mapping

# Weights run light to dark. White text on primary-600 and primary-600 on white both exceed 5:1; in the dark
# theme unfold writes links in primary-500, hence its brightness.
COLORS: Mapping[str, Mapping[str, str]] = {
    "base": {
        "50": "oklch(98.4% .003 220)",
        "100": "oklch(96.4% .005 220)",
        "200": "oklch(92.2% .008 220)",
        "300": "oklch(86.2% .012 222)",
        "400": "oklch(68.5% .020 225)",
        "500": "oklch(53.5% .024 228)",
        "600": "oklch(43.5% .026 230)",
        "700": "oklch(35.5% .026 232)",
        "800": "oklch(26.8% .022 234)",
        "900": "oklch(20.2% .018 236)",
        "950": "oklch(14.5% .014 238)",
    },
    "primary": {
        "50": "oklch(97.2% .018 205)",
        "100": "oklch(94.0% .036 206)",
        "200": "oklch(88.8% .062 207)",
        "300": "oklch(81.0% .092 208)",
        "400": "oklch(74.0% .105 209)",
        "500": "oklch(68.5% .105 211)",
        "600": "oklch(47.5% .085 216)",
        "700": "oklch(41.5% .076 219)",
        "800": "oklch(35.5% .064 221)",
        "900": "oklch(30.0% .052 223)",
        "950": "oklch(23.0% .040 225)",
    },
    "font": {
        "subtle-light": "var(--color-base-500)",
        "subtle-dark": "var(--color-base-400)",
        "default-light": "var(--color-base-700)",
        "default-dark": "var(--color-base-200)",
        "important-light": "var(--color-base-950)",
        "important-dark": "var(--color-base-50)",
    },
}
