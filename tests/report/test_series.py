"""Names, colours and order of what the page shows."""

from tests.report.made import GENERATORS, arm_of

from recaug.config import POLICY
from recaug.report.series import Look, Series, arm_looks, arm_title, look_of, ordered, series_looks
from recaug.results import Arm


def test_names_that_differ_have_css_variables_that_differ() -> None:
    names = ["a_b", "a-b", "a.b", "a:b", "a-2d-b", "é", "ink"]
    variables = {Series(name, name, ("red", "blue")).variable for name in names}
    assert len(variables) == len(names)
    assert "--ink" not in variables


def test_real_events_come_first_and_the_generators_as_given() -> None:
    looks = series_looks(GENERATORS)
    assert list(looks) == ["real", "vae", "gan", "counts", "rare_items"]
    assert looks["rare_items"] == Look("rare items", "--series-rare_items")
    assert ordered(["zebra", "counts", "ant", "vae", "real"], looks) == ["real", "vae", "counts", "ant", "zebra"]
    assert look_of("zebra", looks) == Look("zebra", "--ink")


def test_an_arm_goes_by_its_generators_whatever_its_name_is() -> None:
    joined = arm_of("counts", "rare_items")
    arms = [joined, arm_of("counts"), arm_of("vae"), arm_of()]
    looks = arm_looks(arms, GENERATORS)
    assert list(looks) == ["none", "vae", "counts", "counts+rare_items"]
    assert [look.label for look in looks.values()] == ["no generated rows", "VAE", "counts", "counts and rare items"]
    assert [look.colour for look in looks.values()] == ["--real", "--series-vae", "--series-counts", "--violet"]
    assert arm_looks([Arm(name="other", parts=joined.parts)], GENERATORS)["other"].label == "counts and rare items"


def test_a_policy_s_arm_has_a_name_of_its_own() -> None:
    arm = Arm(name=POLICY, parts=arm_of("vae", "counts").parts)
    assert arm_looks([arm], GENERATORS) == {POLICY: Look("policy", "--ink")}
    assert arm_title(arm, GENERATORS) == "SASRec + the policy's rows"


def test_an_arm_s_title_says_what_its_recommender_learns_from() -> None:
    titles = [arm_title(arm_of(*names), GENERATORS) for names in ((), ("vae",), ("counts",), ("counts", "rare_items"))]
    assert titles == [
        "SASRec, no generated rows",
        "SASRec + VAE rows",
        "SASRec + counts' rows",
        "SASRec + rows of counts and rare items",
    ]
