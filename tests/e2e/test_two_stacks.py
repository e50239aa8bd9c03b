"""Two stacks on one machine know nothing of each other."""

from pathlib import Path

import pytest

from local_stack.stack import Stack
from tests.e2e.service import Service, service_on

pytestmark = pytest.mark.stack


def test_two_stacks_side_by_side_each_load_their_own_files(service: Service, tmp_path: Path) -> None:
    with Stack(tmp_path, short_lived=True, say=lambda _: None) as stack, service_on(stack) as other:
        other.lob = service.lob
        both = (service, other)
        assert len({one.stack.function_key for one in both}) == 2
        for number, one in enumerate(both):
            one.configure(one.row("side"))
            one.land("side", f"{number}.csv", "id\n" + f"{number}\n" * (number + 1))
        loads = [one.post() for one in both]
        for number, (one, load) in enumerate(zip(both, loads, strict=True)):
            done = one.ended(load["id"])
            assert (done["state"], done["rows"]["loaded"]) == ("SUCCESS", number + 1)
            assert [file["file_name"] for file in one.files(load["id"])] == [f"{number}.csv"]
            assert one.bronze_count("side") == number + 1
        assert service.http.get(f"/api/loads/{loads[1]['id']}").status_code == 404
        assert other.http.get(f"/api/loads/{loads[0]['id']}").status_code == 404
