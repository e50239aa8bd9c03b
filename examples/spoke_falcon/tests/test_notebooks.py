"""Notebooks are thin, compile, and read only parameters that the jobs give them."""

import ast
import re
from typing import Any

from conftest import ROOT

FROM_ENVIRONMENT = {"catalog", "schema_prefix", "environment"}


def notebooks() -> dict[str, str]:
    marker = "# Databricks notebook source\n"
    sources = {file: file.read_text("utf-8") for file in sorted((ROOT / "src").rglob("*.py"))}
    return {str(file.relative_to(ROOT)): text for file, text in sources.items() if text.startswith(marker)}


def given(jobs: dict[str, Any], notebook: str) -> list[set[str]]:
    """The parameters of each task that runs the notebook."""
    tasks = [task["notebook_task"] for job in jobs.values() for task in job["tasks"]]
    return [set(task["base_parameters"]) for task in tasks if task["notebook_path"] == f"../{notebook}"]


def test_each_notebook_is_a_tasks(jobs: dict[str, Any]) -> None:
    assert notebooks()
    for name in notebooks():
        assert given(jobs, name), f"no task runs {name}"


def test_a_notebook_reads_only_what_its_tasks_give_it(jobs: dict[str, Any]) -> None:
    for name, source in notebooks().items():
        read = set(re.findall(r"(?:widgets|WidgetManager\(\))\.get\(\"(\w+)\"", source))
        if "Environment.current()" in source:
            read |= FROM_ENVIRONMENT
        assert read, name
        for parameters in given(jobs, name):
            assert read <= parameters, name


def test_of_the_hub_a_notebook_imports_the_wheels_front_door_only() -> None:
    for name, source in notebooks().items():
        modules = [node.module or "" for node in ast.walk(ast.parse(source, name)) if isinstance(node, ast.ImportFrom)]
        tops = {module.split(".")[0] for module in modules}
        assert tops <= {"deltalake_hub", "pathlib", "transforms"}, name
