"""The list of methods says what each reads, its defaults and the values that it takes."""

from trainables import distillers


def test_every_method_tells_what_it_reads_and_the_default_of_all_it_takes():
    methods = {entry["name"]: entry for entry in distillers.describe()}
    assert methods.keys() == {"teacher", "student", *distillers.names()}
    for name in distillers.names():
        assert methods[name]["reads"]
        assert [p["name"] for p in methods[name]["parameters"]] == list(distillers.load(name).Parameters.model_fields)
    parameters = {p["name"]: p for p in methods["pointdistiller"]["parameters"]}
    assert parameters["neighbors"]["default"] == 128
    assert parameters["scope"]["range"] == "scan | batch"
