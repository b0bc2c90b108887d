"""The frozen model: what a run knows about the population before it looks at a pair."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import duckdb
import pyarrow as pa

from contacts.grouping.candidates import BAD_KEY_SCHEMA, KEY_KINDS, MOST_HOLDERS, KeyKind, blank_bad_values
from contacts.grouping.cluster import dates_agree_sql
from contacts.grouping.comparisons import Comparison, Weights, with_weights
from contacts.grouping.connection import connect
from contacts.grouping.normalise import normalise
from contacts.grouping.records import check_refs

FREQUENCY_SCHEMA = pa.schema([("column", pa.string()), ("term_hash", pa.string()), ("share", pa.float64())])
# A share says something about a value only when enough people hold it; below, a hash could single one out.
FEWEST_HOLDERS = 5
FREQUENCY_COLUMNS = ("fn", "ln", "em", "mob", "ph", "pc", "city")
# The mean number of true partners of a ref, over two: the numerator of the prior (GROUPING.md).
PARTNERS = 1.4
# In a handful of refs chance agreement looks rare; the prior never assumes fewer people than this.
SMALLEST_POPULATION = 1_000
# Housemates outnumber repeats of a person two to one, where nothing else is known.
PRESET_HOUSEHOLD_PRIOR = -1.0
LEAST_HOUSEHOLD_PAIRS = 100
HIGHEST_HOUSEHOLD_PRIOR = 4.0
# Pairs of namesakes (father and son) per pair of housemates with unlike first names. An assumption, meant
# to be on the high side, so that dates are doubted late.
NAMESAKES_PER_HOUSEMATE = 0.03
PRESET_WRONG_DATE_ODDS = -1.0
# Sixteen wrong dates to one namesake: below, a different date means another person.
DOUBTFUL_DATE_ODDS = 4.0
PRESET_HASH_KEY = b"kore preset model, no frequencies"


@dataclass(frozen=True)
class Model:
    """A version of the frozen model.

    `population` counts refs. `frequencies` and `bad_keys` hold keyed hashes, never plain values. Weights are
    log2: a pair is joined on the score from `join_weight` (versus a stranger) and `join_household` (versus a
    housemate), and goes to a person from `review_weight` and `review_household`. `household_prior` is the
    log2 odds that two records of one house are one person, before their names and dates are looked at.
    `wrong_date_odds` is the log2 odds that two records of one house and one full name with wholly different
    dates of birth are one person with a wrong date, not father and son. `key_kinds` names the kinds of key
    that `bad_keys` was learnt of; a run learns the bad keys of other kinds from its own refs. `weights`
    replaces the preset probabilities of comparisons. `partners` is the numerator of the prior.
    `rare_holders`: so many refs are taken to hold a value that is not among the frequencies. With
    `names_suffice` a pair may be joined on its names alone.
    """

    version: int
    population: int
    hash_key: bytes = field(repr=False)
    frequencies: pa.Table = field(default_factory=FREQUENCY_SCHEMA.empty_table, repr=False)
    bad_keys: pa.Table = field(default_factory=BAD_KEY_SCHEMA.empty_table, repr=False)
    join_weight: float = 6.0
    join_household: float = 0.0
    review_weight: float = 0.0
    review_household: float = -3.0
    household_prior: float = PRESET_HOUSEHOLD_PRIOR
    wrong_date_odds: float = PRESET_WRONG_DATE_ODDS
    key_kinds: Sequence[str] = ()
    weights: Weights = field(default_factory=dict, repr=False)
    partners: float = PARTNERS
    rare_holders: float = FEWEST_HOLDERS
    names_suffice: bool = False

    @classmethod
    def preset(cls, population: int, *, version: int = 1, hash_key: bytes = PRESET_HASH_KEY) -> "Model":
        """A model for a population of this many refs, without term frequencies and bad keys."""
        return cls(version=version, population=population, hash_key=hash_key)

    @property
    def prior(self) -> float:
        """Probability that two random refs are one person."""
        return self.partners / max(self.population, SMALLEST_POPULATION)

    @property
    def prior_weight(self) -> float:
        """The prior as log2 odds, in thousandths as all weights on a link."""
        return round(math.log2(self.prior / (1 - self.prior)), 3)

    @cached_property
    def comparisons(self) -> Sequence[Comparison]:
        """What is compared, with this model's probabilities."""
        return with_weights(self.weights)

    @property
    def doubts_dates(self) -> bool:
        """Whether a different date of birth may be overridden (docs/adr/0005)."""
        return self.wrong_date_odds >= DOUBTFUL_DATE_ODDS

    def to_json(self) -> str:
        """Everything but the two tables, as one JSON object."""
        values = {name: getattr(self, name) for name in _JSON_FIELDS}
        return json.dumps(values | {"hash_key": self.hash_key.hex()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, *, frequencies: pa.Table, bad_keys: pa.Table) -> "Model":
        """The model that `to_json` wrote, with its two tables from where they are kept."""
        values = json.loads(text)
        hash_key = bytes.fromhex(values.pop("hash_key"))
        return cls(**values, hash_key=hash_key, frequencies=frequencies, bad_keys=bad_keys)


_JSON_FIELDS = (
    "version",
    "population",
    "join_weight",
    "join_household",
    "review_weight",
    "review_household",
    "household_prior",
    "wrong_date_odds",
    "key_kinds",
    "weights",
    "partners",
    "rare_holders",
    "names_suffice",
)


def freeze_model(
    refs: pa.Table,
    *,
    version: int,
    hash_key: bytes,
    default_country: str = "GB",
    extra_kinds: Iterable[KeyKind] = (),
    memory_limit: str = "2GB",
    threads: int = 2,
) -> Model:
    """Learn how common each value is, and which keys too many records share, from these refs.

    `extra_kinds`: the kinds of key that rules of the managers' own need (rules.key_kinds).

    Keeps keyed hashes only, and shares only of terms that at least FEWEST_HOLDERS refs hold.
    """
    kinds = [*KEY_KINDS, *extra_kinds]
    with connect(memory_limit=memory_limit, threads=threads, hash_key=hash_key) as con:
        normalise(con, check_refs(refs), default_country=default_country)
        frequencies = con.sql(_frequencies_sql()).to_arrow_table().cast(FREQUENCY_SCHEMA)
        bad_keys = blank_bad_values(con, BAD_KEY_SCHEMA.empty_table(), kinds=kinds)
        _make_housed(con)
        household_prior, wrong_date_odds = _household_prior(con), _wrong_date_odds(con)
    return Model(
        version=version,
        population=refs.num_rows,
        hash_key=hash_key,
        frequencies=frequencies,
        bad_keys=bad_keys,
        household_prior=household_prior,
        wrong_date_odds=wrong_date_odds,
        key_kinds=[kind.name for kind in kinds],
    )


def _make_housed(con: duckdb.DuckDBPyConnection) -> None:
    """The table `housed`: pairs of refs of one house that both have a date of birth."""
    con.execute(f"""
        create or replace temp table housed as
        with dated as (
            select ref_id, fn, ln, pc, hn, street, dob from plain
            where dob is not null and pc is not null and hn is not null and street is not null
            qualify count(*) over (partition by pc, hn) <= {MOST_HOLDERS}
        )
        select l.dob = r.dob as is_same_date, not {dates_agree_sql("l.dob", "r.dob")} as is_other_date,
            l.fn = r.fn and l.ln = r.ln as is_same_name,
            jaro_winkler_similarity(l.fn, r.fn) < 0.78 as is_other_name
        from dated l join dated r on l.pc = r.pc and l.hn = r.hn and l.ref_id < r.ref_id
        where jaro_winkler_similarity(l.street, r.street) >= 0.9
    """)


def _household_prior(con: duckdb.DuckDBPyConnection) -> float:
    """Learn it from pairs at one address that both have a date of birth.

    One person has one date of birth and housemates have different ones, almost always; so the two kinds of
    pair can be counted without knowing who is who.
    """
    same, different = con.execute(
        "select count(*) filter (is_same_date), count(*) filter (is_other_date) from housed"
    ).fetchall()[0]
    if same + different < LEAST_HOUSEHOLD_PAIRS:
        return PRESET_HOUSEHOLD_PRIOR
    # One bit of caution: a wrong join costs more than a pair left for a person to see.
    learned = math.log2((same + 1) / (different + 1)) - 1
    return round(min(HIGHEST_HOUSEHOLD_PRIOR, max(PRESET_HOUSEHOLD_PRIOR, learned)), 3)


def _wrong_date_odds(con: duckdb.DuckDBPyConnection) -> float:
    """Learn it from pairs at one address with wholly different dates: namesakes among them should be few.

    People of one house who do not share a first name say how many namesakes to expect. Where there are many
    times more, it is dates that are wrong.
    """
    named, unlike = con.execute("""
        select count(*) filter (is_same_name), count(*) filter (is_other_name) from housed
        where is_other_date
    """).fetchall()[0]
    # One namesake more than expected: a handful of pairs proves nothing.
    learned = math.log2((named + 0.5) / (NAMESAKES_PER_HOUSEMATE * unlike + 1))
    return round(max(PRESET_WRONG_DATE_ODDS, learned), 3)


def register_shares(con: duckdb.DuckDBPyConnection, model: Model) -> str:
    """Make one table `share_<column>` (<column>, tf_<column>) per frequency column of the terms of `plain`
    that the model knows; the SQL of the share of all others.

    On a term that only one ref has no two can agree, so it is not looked up. A term that the model does not
    know gets the share of `rare_holders`, unless learnt the largest that an unknown term can have; under a
    model without frequencies none.
    """
    con.register("model_frequencies", model.frequencies)
    for column in FREQUENCY_COLUMNS:
        con.execute(f"""
            create or replace temp table share_{column} as
            with known as (
                select term_hash, share from model_frequencies where "column" = '{column}'
            ),
            terms as (
                select {column} from plain where {column} is not null and exists (from known)
                group by 1 having count(*) > 1
            )
            select {column}, share as tf_{column} from terms
            join known on term_hash = keyed_hash('{column}', {column})
        """)
    con.unregister("model_frequencies")
    rare = model.rare_holders / max(model.population, SMALLEST_POPULATION)
    return f"{rare!r}::double" if model.frequencies.num_rows else "null::double"


def _frequencies_sql() -> str:
    columns = " union all ".join(
        f"""select '{column}' as "column", keyed_hash('{column}', {column}) as term_hash,
            holders / sum(holders) over () as share, holders
        from (select {column}, count(*) as holders from plain where {column} is not null group by 1)"""
        for column in FREQUENCY_COLUMNS
    )
    return f"""
        select "column", term_hash, share from ({columns}) where holders >= {FEWEST_HOLDERS} order by 1, 2
    """
