"""Build hook: an editable install links the package's parts into `.editable/truing`.

The repository root is the package (docs/decisions/0001-root-is-package.md), so the folder put on
`sys.path` must hold one entry named `truing` and nothing else.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class EditableLinks(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            return
        root = Path(self.root)
        links = root / ".editable" / "truing"
        links.mkdir(parents=True, exist_ok=True)
        wanted = self.build_config.target_config["only-include"]
        for stale in links.iterdir():
            if stale.is_symlink():
                stale.unlink()
        for name in wanted:
            (links / name).symlink_to(root / name)
