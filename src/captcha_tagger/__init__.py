"""Which characters a captcha image shows: transfer learning, DVC stages, MLflow runs."""

import os

# torch's threads wait for each other at every layer, spinning. Beside one busy process on two cores
# a training step took 250 to 700 ms with libgomp's own patience, 51 ms with this; on idle cores 45
# either way. Read when torch is loaded, so set before.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
