"""Execute the notebooks' sources, notebooks/NAME.py, and write notebooks/NAME.ipynb with the outputs.

    python notebooks/build.py            all of them
    python notebooks/build.py lenet5     one

What depends on the machine (timings, addresses, messages on stderr) is left out, and
pictures are stored in 256 colours.
"""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def sources() -> list[str]:
    """Return the names of the notebooks."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem != "build")


def read(name: str) -> Any:
    """Return a notebook without outputs, its cells named by their place."""
    import jupytext

    notebook = jupytext.read(HERE / f"{name}.py", fmt="py:percent")
    for place, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{place}"
    notebook.metadata.pop("jupytext", None)
    return notebook


def execute(notebook: Any) -> Any:
    """Run every cell in a fresh kernel of this Python, and keep the outputs that do not depend on the machine."""
    from nbclient import NotebookClient

    client = NotebookClient(notebook, timeout=600, kernel_name="python3", coalesce_streams=True)
    client.resources = {"metadata": {"path": HERE}}
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for data in (output["data"] for output in cell.outputs if "text/plain" in output.get("data", {})):
                data["text/plain"] = re.sub(r" at 0x[0-9a-f]+", "", data["text/plain"])
                if "image/png" in data:
                    data["image/png"] = _smaller(data["image/png"])
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def _smaller(png: str) -> str:
    """Return a picture, PNG in base64, in at most 256 colours."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(256)
    buffer = io.BytesIO()
    picture.save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def main(names: list[str]) -> None:
    """Write the notebooks of these names."""
    import nbformat

    for name in names or sources():
        path = HERE / f"{name}.ipynb"
        nbformat.write(execute(read(name)), path)
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
