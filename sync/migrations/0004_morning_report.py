"""When a night's morning report went out by e-mail."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sync", "0003_plan_of_the_night")]

    operations = [
        migrations.AddField(
            model_name="nightrun",
            name="told_at",
            field=models.DateTimeField(
                blank=True, help_text="When its morning report went out by e-mail.", null=True
            ),
        ),
    ]
