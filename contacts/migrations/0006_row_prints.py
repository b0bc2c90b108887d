import django.db.models.deletion
from django.db import migrations, models

from contacts.print_triggers import create_ref_trigger, drop_ref_trigger


def create(apps, editor):
    create_ref_trigger(editor)


def drop(apps, editor):
    drop_ref_trigger(editor)


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0005_delta"),
    ]

    operations = [
        migrations.CreateModel(
            name="SystemRefPrint",
            fields=[
                ("print", models.UUIDField(db_index=True, editable=False)),
                (
                    "owner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="contacts.systemref",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.RunPython(create, drop),
    ]
