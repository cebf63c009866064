from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "ghcr.io/acme/shop:1.0.0"}]}
"""


def test_the_readmes_example_passes_check(tmp_path: Path) -> None:
    """The two files of the README, beside a Deployment, are a valid repository as they stand."""
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    pipeline, plan = blocks
    (tmp_path / "gitslo.yaml").write_text(pipeline, encoding="utf-8")
    for stage in ("dev", "prod"):
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "deployment.yaml").write_text(DEPLOYMENT, encoding="utf-8")
        (tmp_path / stage / "slo.yaml").write_text(plan.replace("shop-dev", f"shop-{stage}"), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "gitslo", "check", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (0, "") == (run.returncode, run.stderr)
