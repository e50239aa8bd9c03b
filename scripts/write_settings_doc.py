"""Write docs/settings.md from `hub_core.settings`; a test fails when it is stale."""

from pathlib import Path

from hub_core.settings import describe_settings

if __name__ == "__main__":
    Path("docs/settings.md").write_text(describe_settings(), "utf-8")
