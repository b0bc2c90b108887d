"""From what systems typed to what can be compared: one comparable record per ref, in SQL."""

import re
from collections.abc import Collection

import duckdb
import pyarrow as pa

from contacts.grouping.nickname_roots import nickname_roots
from contacts.grouping.phones import codes_with_trunk_zero, numbering_plans

# Compared with the trimmed value in lower case.
PLACEHOLDERS = (
    "n/a", "n.a.", "n\\a", "-", "--", "---", ".", "..", "?", "x", "xx", "xxx", "null", "none", "nil",
    "unknown", "not known", "not given", "not provided", "not applicable", "no name", "noname", "tbc", "tba",
    "anonymous", "test", "undefined", "blank", "empty", "(blank)", "(none)", "#n/a", "nan", "various",
)  # fmt: skip
PLACEHOLDER_MAILBOXES = (
    "none", "no", "noemail", "no-email", "no.email", "no_email", "nomail", "no-mail", "n/a", "na", "null",
    "nil", "unknown", "noone", "nobody", "notprovided", "not.provided", "notgiven", "refused", "declined",
    "test", "x", "xx", "xxx", "a", "noreply", "no-reply", "donotreply",
)  # fmt: skip
PLACEHOLDER_DOMAINS = (
    "none.com",
    "noemail.com",
    "nomail.com",
    "no.com",
    "email.com.invalid",
    "na.com",
    "null.com",
)
_PLACEHOLDER_EMAILS = (PLACEHOLDER_MAILBOXES, PLACEHOLDER_DOMAINS)
PLACEHOLDER_DATES = ("1900-01-01", "1901-01-01", "1970-01-01")
TITLES = ("mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "sir", "rev")
LEGAL_FORMS = (
    "and", "the", "ltd", "limited", "inc", "incorporated", "llc", "llp", "plc", "gmbh", "ag", "co", "corp",
    "corporation", "company", "sa", "srl", "bv", "nv", "pty", "kg",
)  # fmt: skip

# The column of a ref behind each comparable column that a rule may want as it was typed.
TYPED = {
    "fn": "first_name", "ln": "last_name", "em": "email", "mob": "mobile", "ph": "phone", "co": "company",
    "ad": "address1", "pc": "postcode", "city": "city", "dob": "date_of_birth",
}  # fmt: skip
COMPARABLE = (
    "fn",
    "ft",
    "ln",
    "em",
    "mailbox",
    "mob",
    "ph",
    "co",
    "ad",
    "street",
    "second",
    "hn",
    "pc",
    "city",
    "dob",
)


def normalise(
    con: duckdb.DuckDBPyConnection, refs: pa.Table, *, default_country: str, typed: Collection[str] = ()
) -> list[str]:
    """Make the table `plain` in `con`: ref_id, system_id and the comparable columns, which it returns.

    These are COMPARABLE, and for each of `typed` the value as typed but for case and surrounding blanks.

    fn first name without spaces, ft its first word, kin the names that stand for the same formal one as ft,
    root_bits a sieve of these that is quicker to compare, is_one_word whether ft is all of fn, is_initial
    whether it is one letter, ln last name, em e-mail, mailbox its part before the @, mob and ph the last ten
    digits in international form, co company, ad the address line, street without its leading number, second
    the other address line likewise, hn house number, pc postcode, city, dob date of birth. Blanks and
    placeholders are null.
    """
    con.register("refs_in", refs)
    con.register("nickname_roots", nickname_roots())
    _make_words(con)
    countries = con.execute(
        "select distinct upper(trim(country)) from refs_in where country <> ''"
    ).fetchall()
    con.register("plans", numbering_plans((row[0] for row in countries), default_country=default_country))
    con.execute(_plain_sql(typed))
    con.execute("drop table words")
    for view in ("refs_in", "nickname_roots", "plans"):
        con.unregister(view)
    return [*COMPARABLE, *(f"typed_{column}" for column in typed)]


def _make_words(con: duckdb.DuckDBPyConnection) -> None:
    """The table `words`: each distinct name, city and company, cleaned once instead of once per ref."""
    columns = ("first_name", "last_name", "city", "company")
    distinct = " union ".join(
        f"select {column} as raw from refs_in where {column} <> ''" for column in columns
    )
    con.execute(f"""
        create or replace temp table words as
        select raw, nullif({cleaned("raw")}, '') as words from ({distinct})
        where {is_real("raw")}
    """)


def cleaned(column: str) -> str:
    """SQL: words in lower case without accents, apostrophes and punctuation, one space between them.

    Most values are plain words already, and finding that out costs a tenth of cleaning them.
    """
    is_plain = f"regexp_full_match({column}, '[A-Za-z0-9]+( [A-Za-z0-9]+)*')"
    letters = f"strip_accents(lower(translate({column}, $$'’`´$$, '')))"
    latin = f"translate({letters}, 'øłđıßæœ', 'oldisao')"
    words = rf"trim(regexp_replace({latin}, '[^\p{{L}}\p{{N}}]+', ' ', 'g'))"
    return f"case when {is_plain} then lower({column}) else {words} end"


def is_real(column: str) -> str:
    """SQL: the column holds something other than a placeholder."""
    return f"lower(trim({column})) not in {_sql_list(PLACEHOLDERS)}"


def _sql_list(values: tuple[str, ...]) -> str:
    return "(" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + ")"


def _plain_sql(typed: Collection[str]) -> str:
    as_typed = "".join(f", lower(trim(r.{TYPED[column]}::varchar)) as raw_{column}" for column in typed)
    kept_typed = "".join(f", if({column} is null, null, raw_{column}) as typed_{column}" for column in typed)
    titles = "|".join(TITLES)
    legal = "|".join(LEGAL_FORMS)
    return rf"""
        create or replace temp table plain as
        with lines as (
            select *, {_whole_line("address1", "address2")} as line,
                {_stands_alone("address1", "address2")} as stands_alone
            from refs_in
        ),
        typed as (
            select
                r.ref_id, r.system_id, r.date_of_birth,
                regexp_replace(first.words, '^({titles}) (.)', '\2') as first_words,
                replace(last.words, ' ', '') as ln,
                nullif(trim(regexp_replace(company.words, '\b({legal})\b *', '', 'g')), '') as co,
                city.words as city,
                {_email("r.email")} as em,
                case when r.line is not null then nullif({cleaned("r.line")}, '') end as ad,
                case when r.stands_alone then nullif({cleaned("r.address2")}, '') end as second_line,
                {_postcode("r.postcode")} as postcode,
                {_digits("r.phone")} as phone_typed,
                {_digits("r.mobile")} as mobile_typed,
                plans.code, plans.trunk, plans.way_out, plans.iso{as_typed}
            from lines r
            left join words first on first.raw = r.first_name
            left join words last on last.raw = r.last_name
            left join words company on company.raw = r.company
            left join words city on city.raw = r.city
            left join plans on plans.country = coalesce(upper(trim(r.country)), '')
        ),
        dialled as (
            select *, split_part(first_words, ' ', 1) as ft,
                {_dialled("mobile_typed")} as mob_digits, {_dialled("phone_typed")} as ph_digits
            from typed
        )
        select
            ref_id, system_id, replace(first_words, ' ', '') as fn, ft, nickname_roots.kin,
            nickname_roots.root_bits, ft = replace(first_words, ' ', '') as is_one_word,
            length(ft) = 1 as is_initial, ln, em,
            split_part(em, '@', 1) as mailbox,
            {_telephone("mob_digits")} as mob,
            {_telephone("ph_digits")} as ph,
            co, ad, {_without_number("ad")} as street,
            {_without_number("second_line")} as second,
            nullif(ltrim(regexp_extract(ad, '\d+'), '0'), '') as hn,
            if(iso = 'US', left({_real_postcode("postcode")}, 5), {_real_postcode("postcode")}) as pc,
            city, {_birth_date("date_of_birth")} as dob{kept_typed}
        from dialled
        left join nickname_roots on nickname_roots.name = dialled.ft
    """


def _email(column: str) -> str:
    value = f"lower(trim({column}))"
    mailboxes, domains = ("|".join(map(re.escape, names)) for names in _PLACEHOLDER_EMAILS)
    return f"""case
        when regexp_matches({value}, '^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$')
            and not regexp_matches({value}, '^({mailboxes})@|@({domains})$')
        then {value} end"""


def _whole_line(first: str, second: str) -> str:
    """SQL: the address line; one without any letter (a house number alone) is completed by the second."""
    has_letter = rf"regexp_matches({first}, '\p{{L}}')"
    whole = f"case when {has_letter} then {first} else concat_ws(' ', {first}, {second}) end"
    return f"case when {is_real(f'coalesce({first}, {second})')} then {whole} end"


def _stands_alone(first: str, second: str) -> str:
    """SQL: the address line is the first alone, and there is a second."""
    return rf"{second} <> '' and {is_real(second)} and regexp_matches({first}, '\p{{L}}')"


def _without_number(line: str) -> str:
    return f"nullif(regexp_replace({line}, '^[0-9 ]+', ''), '')"


def _postcode(column: str) -> str:
    upper = f"upper({column})"
    is_plain = f"regexp_full_match({upper}, '[A-Z0-9]+( [A-Z0-9]+)?')"
    others = f"regexp_replace({upper}, '[^A-Z0-9]+', '', 'g')"
    value = f"case when {is_plain} then replace({upper}, ' ', '') else {others} end"
    return f"case when {is_real(column)} then {value} end"


def _real_postcode(postcode: str) -> str:
    return f"case when not regexp_matches({postcode}, '^(0*|9{{5,}}|X+|NA)$') then {postcode} end"


def _digits(column: str) -> str:
    """SQL: digits and a leading plus, without an extension and without the (0) of +44 (0) 20."""
    others = f"regexp_replace(split_part(replace(lower({column}), '(0)', ''), 'x', 1), '[^0-9+]', '', 'g')"
    return f"case when regexp_full_match({column}, '[0-9+]*') then {column} else {others} end"


def _dialled(typed: str) -> str:
    """SQL: calling code and national number, from whichever way it was typed."""
    return f"""case
        when length({typed}) < 6 then null
        when starts_with({typed}, '+') then {_without_trunk(f"substr({typed}, 2)")}
        when starts_with({typed}, '00') then {_without_trunk(f"substr({typed}, 3)")}
        when way_out not in ('', '00') and starts_with({typed}, way_out)
            then {_without_trunk(f"substr({typed}, length(way_out) + 1)")}
        when trunk <> '' and starts_with({typed}, trunk) then code || substr({typed}, length(trunk) + 1)
        else code || {typed} end"""


def _without_trunk(international: str) -> str:
    return f"regexp_replace({international}, '^({'|'.join(codes_with_trunk_zero())})0', '\\1')"


def _telephone(digits: str) -> str:
    """SQL: the last ten digits; seven like digits in a row or a counted number are a placeholder."""
    runs = "|".join(f"{digit}{{7}}" for digit in "0123456789")
    return (
        f"case when not regexp_matches({digits}, '{runs}|123456789|987654321') then right({digits}, 10) end"
    )


def _birth_date(column: str) -> str:
    dates = ", ".join(f"date '{day}'" for day in PLACEHOLDER_DATES)
    real = f"{column} between date '1900-01-01' and date '2099-12-31'"
    return f"case when {real} and {column} not in ({dates}) then {column} end"
