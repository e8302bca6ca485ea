"""Each operation is cancelled at its first, second, third … checkpoint, until it has no more."""

from __future__ import annotations

import pytest

from tests.drivers.cancelling import run_cancelled_at
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.kit.assembly import assemble
from tests.kit.machines import FORMS, Forms
from tests.kit.trouble import MANY


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", SCENARIOS, ids=lambda kind: kind.__name__)
async def test_wherever_the_cut_falls_the_store_is_sound(form: str, kind: type[Scenario]) -> None:
    for count in range(MANY):
        forms = Forms(form)
        try:
            scenario = kind()
            scenario.store = forms.store
            await scenario.prepare(assemble(forms.store.open()))
            parts = assemble(forms.store.open())
            returned, reached = await run_cancelled_at(count, lambda: scenario.operate(parts))  # noqa: B023
            await scenario.verify(assemble(forms.store.open()), returned)
        except Exception as exc:
            exc.add_note(f"cancelled at checkpoint {count}")
            raise
        finally:
            forms.close()
        if not reached:
            assert returned
            assert count > 2, "the operation has hardly a checkpoint"
            return
    pytest.fail(f"still not done after {MANY} checkpoints")
