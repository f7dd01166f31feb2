"""The Python examples of the pages run as they stand there."""


def test_examples_run(page_with_python):
    for block in page_with_python.blocks("python"):
        exec(compile(block, str(page_with_python.path), "exec"), {})  # noqa: S102
