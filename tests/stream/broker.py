"""A real Kafka broker: one node of KRaft, broker and controller, in a Java process of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyspark
from py4j.java_gateway import JavaGateway
from tests.servers import class_path, free_port, java

CLUSTER = "MkU3OEVBNTcwNTJENDM2Qk"  # any 22 characters of base64


class Broker:
    """Listens at `servers`, and keeps its messages in a folder: killed and started again, it has them all."""

    def __init__(self, folder: Path) -> None:
        scala = next((Path(pyspark.__file__).parent / "jars").glob("scala-library-*.jar"))
        self.jars = f"{class_path('kafka-broker')}:{scala}"
        self.servers, self._controller = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self._folder = folder
        self._java: JavaGateway | None = None
        self._producer: Any = None

    def start(self) -> None:
        """Start it; the first time its folder is made."""
        self._java = java(self.jars, 300)
        kafka = self._java.jvm
        given, file = self._settings(), self._folder / "server.properties"
        if not file.exists():
            file.write_text("".join(f"{key}={value}\n" for key, value in given.items()))
            arguments = self._java.new_array(kafka.String, 5)
            for place, text in enumerate(("format", "-t", CLUSTER, "-c", str(file))):
                arguments[place] = text
            kafka.kafka.tools.StorageTool.execute(arguments, kafka.System.out)
        config = kafka.kafka.server.KafkaConfig(self._properties(given))
        kafka.kafka.server.KafkaRaftServer(config, kafka.org.apache.kafka.common.utils.Time.SYSTEM).startup()
        text = "org.apache.kafka.common.serialization.StringSerializer"
        settings = {"bootstrap.servers": self.servers, "key.serializer": text, "value.serializer": text}
        self._producer = kafka.org.apache.kafka.clients.producer.KafkaProducer(self._properties(settings))

    def kill(self) -> None:
        """End it as a machine that stops does."""
        if self._java is not None:
            self._java.java_process.kill()
            self._java.java_process.wait()
            self._java.shutdown()
            self._java = None

    def send(self, topic: str, messages: Sequence[str | None]) -> None:
        """Write messages to a topic, which is made of two partitions where it is missing; None has no value."""
        assert self._java is not None
        record = self._java.jvm.org.apache.kafka.clients.producer.ProducerRecord
        sent = [self._producer.send(record(topic, message)) for message in messages]
        self._producer.flush()
        for one in sent:
            one.get()

    def _settings(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{self._controller}",
            "listeners": f"PLAINTEXT://{self.servers},CONTROLLER://{self._controller}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self._folder / "log"),
            "broker.session.timeout.ms": "1000",  # one that was killed may come back after it
            "broker.heartbeat.interval.ms": "300",
            "num.partitions": "2",
            "offsets.topic.replication.factor": "1",
        }

    def _properties(self, given: dict[str, str]) -> Any:
        assert self._java is not None
        found = self._java.jvm.java.util.Properties()
        for key, value in given.items():
            found.setProperty(key, value)
        return found
