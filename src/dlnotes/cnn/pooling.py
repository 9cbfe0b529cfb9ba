r"""The pooling layer.

Pooling makes a volume smaller and learns nothing.  Of each window of side :math:`F` it
keeps the largest number, in each slice of the volume by itself, and the windows lie
:math:`S` pixels apart:

.. math::
   :label: eq-max-pool

   Y_{c,i,j} = \max_{0 \le u, v < F} X_{c,\,iS+u,\,jS+v}, \qquad
   W_2 = \frac{W_1 - F}{S} + 1

Only the pixel that won has a say in the output, so it alone gets the gradient.

References
----------
* Y.-T. Zhou and R. Chellappa (1988). Computation of optical flow using a neural
  network. *IEEE International Conference on Neural Networks*.
  https://doi.org/10.1109/ICNN.1988.23914
"""

from typing import Any

import array_api_extra as xpx
from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked
from dlnotes.cnn.convolution import overlap_add, windows
