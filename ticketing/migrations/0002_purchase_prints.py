import django.db.models.deletion
from django.db import migrations, models

from ticketing.print_triggers import create_triggers, drop_triggers


def create(apps, editor):
    create_triggers(editor)


def drop(apps, editor):
    drop_triggers(editor)


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0006_row_prints"),
        ("ticketing", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="PurchasePrint",
            fields=[
                ("print", models.UUIDField(db_index=True, editable=False)),
                (
                    "owner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="ticketing.purchase",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.RunPython(create, drop),
    ]
