from django.db import migrations, models


def hold_against_what_was_said(apps, _schema_editor):
    """What a source says of an open conflict stands for what it said before, which nobody noted."""
    apps.get_model("contacts", "HeldValue").objects.update(held_against=models.F("source_value"))


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0016_pins_of_several_units"),
    ]

    operations = [
        migrations.AddField(
            model_name="heldvalue",
            name="held_against",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.RunPython(hold_against_what_was_said, migrations.RunPython.noop, elidable=True),
    ]
