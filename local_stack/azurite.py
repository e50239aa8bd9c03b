"""Azurite, Microsoft's emulator of Blob, Queue and Table Storage, as the stack runs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_stack import toolchain
from local_stack.processes import Command, listens

ACCOUNT = "devstoreaccount1"
# The key that every storage emulator has and every SDK documents; it opens nothing else.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, slots=True)
class Azurite:
    """The addresses of one Azurite; `directory` keeps its data unless `in_memory`."""

    blob_port: int
    queue_port: int
    table_port: int
    directory: Path
    in_memory: bool = False

    @property
    def account_host(self) -> str:
        """The account as `abfss://container@HOST/path` names it; the JVM's hosts file leads it here."""
        return f"{ACCOUNT}.dfs.core.windows.net:{self.blob_port}"

    @property
    def connection_string(self) -> str:
        """What the Azure SDKs and the Functions host take as AzureWebJobsStorage."""
        endpoints = {"Blob": self.blob_port, "Queue": self.queue_port, "Table": self.table_port}
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};" + "".join(
            f"{service}Endpoint=http://127.0.0.1:{port}/{ACCOUNT};" for service, port in endpoints.items()
        )

    def command(self, environment: Mapping[str, str]) -> Command:
        """How to start it."""
        arguments: list[str | Path] = [toolchain.node().program, toolchain.azurite_script()]
        for service, port in (("blob", self.blob_port), ("queue", self.queue_port), ("table", self.table_port)):
            arguments += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
        # SDKs newer than this Azurite name API versions that it doesn't know, and mean nothing by it.
        arguments += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        arguments += ["--inMemoryPersistence"] if self.in_memory else ["--location", self.directory]
        probes = [listens(port) for port in (self.blob_port, self.queue_port, self.table_port)]
        return Command(
            name="azurite",
            arguments=arguments,
            environment=environment,
            ready=lambda: all(probe() for probe in probes),
            directory=self.directory,
        )
