"""What the registry counts, under the names that distribution's dashboards know.

One `Metrics` belongs to one process and owns its collector registry, so that two may live side by
side in tests. Series are those of distribution v3, with v2.8's where the two differ, plus
``registry_build_info``.
"""

from registry.metrics.exposition import Metrics
from registry.metrics.http import HANDLERS, METHODS, OTHER, RequestMeter
from registry.metrics.merge import merge
from registry.metrics.storage import CacheResult

__all__ = ["HANDLERS", "METHODS", "OTHER", "CacheResult", "Metrics", "RequestMeter", "merge"]
