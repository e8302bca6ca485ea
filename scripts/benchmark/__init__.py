"""What scripts/bench runs: registries side by side under one load client, figures and charts."""
