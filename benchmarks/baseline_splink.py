"""What the engine is measured against: a bare Splink programme, refs in and partition out.

It is written as a competent user of Splink 5 on DuckDB would write it: normalise in SQL, tuned blocking (the
seven strong keys; values that too many hold are left out), predict with preset weights and term frequencies,
a household score as second weight, Splink's own clustering. It has no rules, no guards, no explanations, no
review queue, and no weak keys for people of few fields.
"""

import duckdb
import pyarrow as pa
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.clustering import cluster_pairwise_predictions_at_threshold

from contacts.grouping.nickname_roots import nickname_roots
from contacts.grouping.normalise import (
    PLACEHOLDER_DATES,
    PLACEHOLDER_DOMAINS,
    PLACEHOLDER_MAILBOXES,
    PLACEHOLDERS,
)

MOST_HOLDERS = 60
PARTNERS = 1.4
THRESHOLD = 6.0
HOUSEHOLD_THRESHOLD = 0.0
HOUSEHOLD_PRIOR = -1.0

BLOCKING = (
    ("em",),
    ("mob",),
    ("ph", "fi"),
    ("ln", "dob"),
    ("fn", "dob"),
    ("pc", "ln"),
    ("pc", "fn"),
)

# Per comparison: what makes it blank; per level its SQL, m, u, home, and the column and floor of its term
# frequency. The last level is the rest. `home`: how often it is seen on two people of one household.
Levels = list[tuple[str, float, float, float, str, float]]
COMPARISONS: dict[str, tuple[str, Levels]] = {
    "first": (
        "fn_l is null or fn_r is null",
        [
            ("fn_l = fn_r", 0.80, 0.0065, 0.030, "fn", 0.0005),
            ("list_has_any(roots_l, roots_r)", 0.08, 0.004, 0.008, "", 0),
            ("jaro_winkler_similarity(fn_l, fn_r) >= 0.9", 0.05, 0.009, 0.012, "", 0),
            ("fi_l = fi_r and (length(fn_l) = 1 or length(fn_r) = 1)", 0.03, 0.0041, 0.015, "", 0),
            ("", 0.04, 0.9765, 0.935, "", 0),
        ],
    ),
    "last": (
        "ln_l is null or ln_r is null",
        [
            ("ln_l = ln_r", 0.90, 0.0009, 0.80, "ln", 0.00002),
            ("jaro_winkler_similarity(ln_l, ln_r) >= 0.9", 0.06, 0.0012, 0.012, "", 0),
            ("ln_l = fn_r and fn_l = ln_r", 0.01, 0.00001, 0.0005, "", 0),
            ("", 0.03, 0.9979, 0.19, "", 0),
        ],
    ),
    "birth": (
        "dob_l is null or dob_r is null",
        [
            ("dob_l = dob_r", 0.955, 0.00005, 0.008, "", 0),
            (
                "year(dob_l) = year(dob_r) and month(dob_l) = day(dob_r) and day(dob_l) = month(dob_r)",
                *(0.012, 0.00003, 0.0003, "", 0),
            ),
            (
                "abs(dob_l - dob_r) <= 10 or damerau_levenshtein(dob_l::varchar, dob_r::varchar) <= 1",
                *(0.025, 0.0015, 0.006, "", 0),
            ),
            ("", 0.008, 0.99842, 0.985, "", 0),
        ],
    ),
    "email": (
        "em_l is null or em_r is null",
        [
            ("em_l = em_r", 0.70, 0.000002, 0.030, "em", 0.000001),
            (
                "abs(length(em_l) - length(em_r)) <= 2 and jaro_winkler_similarity(em_l, em_r) >= 0.88"
                " and damerau_levenshtein(em_l, em_r) <= 2",
                *(0.06, 0.000004, 0.004, "", 0),
            ),
            ("mailbox_l = mailbox_r", 0.02, 0.00001, 0.01, "", 0),
            ("", 0.22, 0.999984, 0.956, "", 0),
        ],
    ),
    "mobile": (
        "mob_l is null or mob_r is null",
        [("mob_l = mob_r", 0.86, 0.000003, 0.002, "mob", 0.000001), ("", 0.14, 0.999997, 0.998, "", 0)],
    ),
    "phone": (
        "ph_l is null or ph_r is null",
        [("ph_l = ph_r", 0.95, 0.00004, 0.93, "", 0), ("", 0.05, 0.99996, 0.07, "", 0)],
    ),
    "address": (
        "(pc_l is null or pc_r is null) and (ad_l is null or ad_r is null)"
        " and (city_l is null or city_r is null)",
        [
            ("pc_l = pc_r and (hn_l = hn_r or ad_l = ad_r)", 0.70, 0.00004, 0.70, "", 0),
            ("ad_l = ad_r", 0.06, 0.00002, 0.06, "", 0),
            ("pc_l = pc_r", 0.08, 0.0001, 0.08, "pc", 0.00005),
            (
                "city_l = city_r and (pc_l is null or pc_r is null) and (ad_l is null or ad_r is null)",
                *(0.60, 0.03, 0.60, "city", 0.001),
            ),
            ("", 0.16, 0.99984, 0.16, "", 0),
        ],
    ),
}


def partition(refs: pa.Table, *, memory_limit: str = "2GB", threads: int = 2) -> pa.Table:
    """ref_id and group_id of each of the refs (REF_SCHEMA)."""
    with duckdb.connect(":memory:") as con:
        con.execute(f"set memory_limit = '{memory_limit}'; set threads = {threads}")
        con.execute("set preserve_insertion_order = false; set enable_progress_bar = false")
        _normalise(con, refs)
        _leave_out_shared_values(con)
        api = DuckDBAPI(connection=con)
        people = api.register("people", dataset_display_name="refs")
        linker = Linker(people, _settings(refs.num_rows), log_level=None)
        predicted = linker.inference.predict(threshold_match_weight=THRESHOLD, warning_mode="never")
        con.execute(f"""
            create temp table edges as select ref_id_l, ref_id_r from {predicted.physical_name}
            where {_household_score()} >= {HOUSEHOLD_THRESHOLD}
        """)
        clusters = cluster_pairwise_predictions_at_threshold(
            nodes=people,
            edges=api.register("edges", dataset_display_name="joined"),
            db_api=api,
            node_id_column_name="ref_id",
        )
        return con.sql(f"""
            select ref_id, cluster_id as group_id from {clusters.physical_name} order by ref_id
        """).to_arrow_table()


def _normalise(con: duckdb.DuckDBPyConnection, refs: pa.Table) -> None:
    """The table `all_people`: comparable columns, blanks and placeholders null."""
    con.register("refs_in", refs)
    con.register("nickname_roots", nickname_roots())
    con.execute(f"""
        create temp table all_people as
        with cleaned as (
            select ref_id,
                replace({_words("first_name")}, ' ', '') as fn,
                replace({_words("last_name")}, ' ', '') as ln,
                {_email()} as em, {_digits("mobile")} as mob, {_digits("phone")} as ph,
                {_words("address1")} as ad, {_words("city")} as city,
                case when {_is_real("postcode")}
                    then nullif(regexp_replace(upper(postcode), '[^A-Z0-9]', '', 'g'), '') end as pc,
                case when date_of_birth not in ({", ".join(f"date '{day}'" for day in PLACEHOLDER_DATES)})
                    then date_of_birth end as dob
            from refs_in
        )
        select cleaned.*, left(fn, 1) as fi, roots, split_part(em, '@', 1) as mailbox,
            nullif(regexp_extract(ad, '[0-9]+'), '') as hn
        from cleaned left join nickname_roots on nickname_roots.name = fn
    """)


def _leave_out_shared_values(con: duckdb.DuckDBPyConnection) -> None:
    """The table `people`: as `all_people`, but e-mails and numbers that too many hold are null."""
    columns = ("em", "mob", "ph")
    for column in columns:
        con.execute(f"""
            create temp table shared_{column} as select {column} from all_people
            where {column} is not null group by 1 having count(*) > {MOST_HOLDERS}
        """)
    replaced = ", ".join(
        f"if({column} in (select {column} from shared_{column}), null, {column}) as {column}"
        for column in columns
    )
    mailbox = "if(em in (select em from shared_em), null, mailbox) as mailbox"
    con.execute(f"create temp table people as select * replace ({replaced}, {mailbox}) from all_people")
    con.execute("drop table all_people")


def _is_real(column: str) -> str:
    return f"lower(trim({column})) not in {_sql_list(PLACEHOLDERS)}"


def _sql_list(values: tuple[str, ...]) -> str:
    return "(" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + ")"


def _words(column: str) -> str:
    cleaned = rf"trim(regexp_replace(strip_accents(lower({column})), '[^\p{{L}}\p{{N}}]+', ' ', 'g'))"
    return f"case when {_is_real(column)} then nullif({cleaned}, '') end"


def _email() -> str:
    value = "lower(trim(email))"
    return f"""case when contains({value}, '@')
        and split_part({value}, '@', 1) not in {_sql_list(PLACEHOLDER_MAILBOXES)}
        and split_part({value}, '@', 2) not in {_sql_list(PLACEHOLDER_DOMAINS)} then {value} end"""


def _digits(column: str) -> str:
    digits = f"right(regexp_replace({column}, '[^0-9]', '', 'g'), 10)"
    return f"case when length({digits}) >= 6 and {digits} <> '0000000000' then {digits} end"


def _settings(population: int) -> SettingsCreator:
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="ref_id",
        comparisons=[_comparison(key) for key in COMPARISONS],
        blocking_rules_to_generate_predictions=[block_on(*columns) for columns in BLOCKING],
        probability_two_random_records_match=PARTNERS / population,
        retain_matching_columns=True,  # and with them the levels, for the household score
        retain_intermediate_calculation_columns=False,
    )


def _comparison(key: str) -> cl.CustomComparison:
    blank, levels = COMPARISONS[key]
    made = [cll.CustomLevel(blank, "blank").configure(is_null_level=True)]
    for sql, m, u, _home, share, rarest in levels:
        level = cll.CustomLevel(sql, sql) if sql else cll.ElseLevel()
        if share:
            made.append(
                level.configure(
                    m_probability=m,
                    u_probability=u,
                    tf_adjustment_column=share,
                    tf_minimum_u_value=rarest,
                    disable_tf_exact_match_detection=True,
                )
            )
        else:
            made.append(level.configure(m_probability=m, u_probability=u))
    return cl.CustomComparison(made, key)


def _household_score() -> str:
    """SQL over predictions: log2 of the levels' probability on one person over that on two housemates."""
    cases = []
    for key, (_blank, levels) in COMPARISONS.items():
        whens = " ".join(
            f"when {len(levels) - 1 - number} then log2({m / home!r})"
            for number, (_sql, m, _u, home, _share, _rarest) in enumerate(levels)
        )
        cases.append(f"(case gamma_{key} {whens} else 0 end)")
    return f"({HOUSEHOLD_PRIOR} + {' + '.join(cases)})"
