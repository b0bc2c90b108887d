import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Value
from django.db.models.functions import Replace, Upper

from contacts.models.system_ref import JoinedText
from contacts.print_triggers import create_name_triggers, drop_name_triggers
from contacts.search_index import TRIGGERS as SEARCH_TRIGGERS

_standing: list[str] = []  # the triggers on the System Refs, which SQLite loses as it remakes the table


def remember_triggers(apps, editor):
    """All but those of the search index, which stand on the column: make_search_index makes it anew."""
    if editor.connection.vendor == "postgresql":
        return
    for name in SEARCH_TRIGGERS:
        editor.execute(f"DROP TRIGGER IF EXISTS {name}")
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'contacts_systemref'")
        _standing[:] = [sql for (sql,) in cursor.fetchall()]


def restore_triggers(apps, editor):
    if editor.connection.vendor == "postgresql":
        return
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'contacts_systemref'")
        kept = {sql for (sql,) in cursor.fetchall()}
    for statement in _standing:
        if statement not in kept:
            editor.execute(statement, params=None)


def create(apps, editor):
    create_name_triggers(editor)


def drop(apps, editor):
    drop_name_triggers(editor)


def _digits(field):
    text = F(field)
    for character in (" ", "-", "(", ")", "+", ".", "/"):
        text = Replace(text, Value(character), Value(""))
    return text


def _search_text(*more):
    as_written = (
        "system_ref",
        "first_name",
        "last_name",
        "email",
        "company",
        "city",
        "postcode",
        "external_customer_id",
    )
    return models.GeneratedField(
        db_persist=True,
        expression=Upper(JoinedText(*map(F, as_written), _digits("phone"), _digits("mobile"), *map(F, more))),
        output_field=models.TextField(),
    )


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0010_kept_figures"),
    ]

    operations = [
        migrations.RunPython(remember_triggers, restore_triggers),
        migrations.RemoveField(model_name="systemref", name="search_text"),
        migrations.AddField(
            model_name="systemref",
            name="related_text",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
        migrations.AddField(model_name="systemref", name="search_text", field=_search_text("related_text")),
        migrations.RunPython(restore_triggers, remember_triggers),
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[
                    ("import_system_refs", "Import of System Refs"),
                    ("import_purchases", "Import of purchases"),
                    ("import_related_names", "Import of related names"),
                ],
                max_length=30,
            ),
        ),
        migrations.CreateModel(
            name="RelatedName",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name_id", models.CharField(max_length=100, verbose_name="name ID")),
                (
                    "role",
                    models.CharField(
                        blank=True, default="", help_text="such as spouse, child, agent", max_length=60
                    ),
                ),
                ("title", models.CharField(blank=True, default="", max_length=60)),
                ("first_name", models.CharField(blank=True, default="", max_length=150)),
                ("last_name", models.CharField(blank=True, default="", max_length=150)),
                ("email", models.CharField(blank=True, default="", max_length=254, verbose_name="e-mail")),
                ("phone", models.CharField(blank=True, default="", max_length=40)),
                ("mobile", models.CharField(blank=True, default="", max_length=40)),
                ("date_of_birth", models.DateField(blank=True, null=True)),
                (
                    "updated_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="updated in its system"),
                ),
                (
                    "system_ref",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="related_names",
                        to="contacts.systemref",
                    ),
                ),
            ],
            options={"verbose_name": "related name"},
        ),
        migrations.AddConstraint(
            model_name="relatedname",
            constraint=models.UniqueConstraint(
                fields=("system_ref", "name_id"), name="related_name_unique_on_its_ref"
            ),
        ),
        migrations.AddConstraint(
            model_name="relatedname",
            constraint=models.CheckConstraint(
                condition=models.Q(("name_id", ""), _negated=True), name="related_name_has_an_id"
            ),
        ),
        migrations.CreateModel(
            name="RelatedNamePrint",
            fields=[
                ("print", models.UUIDField(db_index=True, editable=False)),
                (
                    "owner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="contacts.relatedname",
                    ),
                ),
            ],
            options={"abstract": False},
        ),
        migrations.RunPython(create, drop),
    ]
