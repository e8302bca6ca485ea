"""The store fails at the first, second, third … call of each operation, until it has no more."""

from __future__ import annotations

import pytest

from drivers import errors
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.kit.assembly import assemble
from tests.kit.machines import FORMS, Forms
from tests.kit.trouble import MANY, Failing


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("error", "after"),
    [(errors.Unavailable, False), (errors.OutOfSpace, False), (errors.Unavailable, True)],
    ids=["refused", "full", "answer lost"],
)
@pytest.mark.parametrize("kind", SCENARIOS, ids=lambda kind: kind.__name__)
async def test_whichever_call_fails_the_store_is_sound(
    form: str, error: type[errors.DriverError], after: bool, kind: type[Scenario]
) -> None:
    for number in range(1, MANY):
        forms = Forms(form)
        try:
            scenario = kind()
            scenario.store = forms.store
            await scenario.prepare(assemble(forms.store.open()))
            driver = Failing(forms.store.open(), number, error, after=after)
            done = await is_done(scenario, driver, error)
            await scenario.verify(assemble(forms.store.open()), done)
        except Exception as exc:
            exc.add_note(f"call {number} failed")
            raise
        finally:
            forms.close()
        if not driver.failed:
            assert done
            assert number > 2, "the operation hardly makes a call"
            return
    pytest.fail(f"still failing after {MANY} calls")


async def is_done(scenario: Scenario, driver: Failing, error: type[errors.DriverError]) -> bool:
    """Do it; nothing but the store's own error may come out, and only if the store failed."""
    try:
        await scenario.operate(assemble(driver))
    except error:
        assert driver.failed
        return False
    return True
