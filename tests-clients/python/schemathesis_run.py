"""Tests made from the OpenAPI document (PyPI schemathesis), signed, for a tenant of either operating model.

Its examples, every single breach of every schema (coverage), and a bounded number of generated requests for each
operation, from a fixed seed. What schemathesis cannot know is in `schemathesis_hooks.py`.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import common
from common import Failure

HERE = Path(__file__).resolve().parent
SEED = 20231
# Generated requests of each kind for an operation, beside examples and coverage.
EXAMPLES = 10
# Seconds for one model, on a machine that has other work.
LONGEST = 1800
# Left off, with the reason:
LEFT_OFF = [
    # An offboarded user, a closed account and a closed group stay readable: nothing is deleted.
    "use_after_free",
    # It makes up a second identity; `tests/it/isolation.rs` has a second tenant.
    "object_level_authorization",
]


def run(model: str, client: str, url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file",
            HERE / "schemathesis.toml",
            "run",
            f"{url}/openapi.json",
            "--checks=all",
            f"--exclude-checks={','.join(LEFT_OFF)}",
            # The phase `stateful` is left off: it follows links, and the document has none.
            "--phases=examples,coverage,fuzzing",
            f"--max-examples={EXAMPLES}",
            f"--seed={SEED}",
            "--generation-database=none",
            "--request-timeout=60",
            "--suppress-health-check=all",
            "--no-color",
        ]
        environment = os.environ | {
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "PYTHONPATH": str(HERE),
            "INVESTORD_MODEL": model,
            "INVESTORD_CLIENT": str(Path(client).resolve()),
            "INVESTORD_URL": url,
        }
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
        )
        found = re.search(r"(\d+) generated", done.stdout)
        tested = re.search(r"Tested: (\d+)", done.stdout)
        if done.returncode != 0 or found is None or tested is None:
            # Signatures and tokens are of no use to a reader.
            shown = re.sub(r"-H '(signature|authorization|upvest|content-digest)[^']*' ?", "", done.stdout)
            print(shown[-20000:], done.stderr[-5000:], sep="\n", file=sys.stderr)
            raise Failure(f"schemathesis ended with {done.returncode}; what it found is below")
        print(f"     {model}: {tested[1]} operations, {found[1]} requests", flush=True)


def main() -> None:
    args = common.arguments(__doc__)
    common.run_cases(
        (f"schemathesis: {model} tenant", lambda model=model, client=client: run(model, client, args.url))
        for model, client in (("BYOL", args.byol_client), ("TOL", args.tol_client))
    )


if __name__ == "__main__":
    main()
