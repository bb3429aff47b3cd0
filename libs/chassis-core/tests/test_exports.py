"""The public names of the library: complete, sorted, described."""

import chassis_core


def test_the_public_names_exist_and_are_sorted():
    names = chassis_core.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert all(hasattr(chassis_core, name) for name in names)


def test_every_public_class_and_function_says_what_it_is():
    for name in chassis_core.__all__:
        value = getattr(chassis_core, name)
        if callable(value):
            assert value.__doc__, name
