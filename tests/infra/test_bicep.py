"""The Bicep of the Azure side: whole, described, least in rights, without a secret, and of one mind with the hub."""

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import yaml
from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter

from hub_core.adapters import queue
from hub_core.alerts import AlertFormat
from hub_core.bootstrap import DOCUMENTS
from hub_core.events import COMPLETING, CREATED, FOLDER_RENAMED, RENAMED
from hub_core.settings import Settings
from tests.infra.bicep import (
    INFRA,
    Declaration,
    File,
    bicep_files,
    is_name_of_property,
    module_file,
    parameter_files,
    properties,
    strings,
    text,
    walk,
)

ROOT = INFRA.parent
FILES = bicep_files()
PARAMETERS = parameter_files()
MAIN = FILES["main.bicep"]
MODULES = [(file, one) for file in FILES.values() for one in file.of_kind("module").values()]
ROLES = {
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-0f855dd0fb88",
    "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
}
"""Azure's ids of the roles that may be given at all; they are the same in every tenant."""
HOSTS = {
    "AzureWebJobsStorage__accountName", "AzureWebJobsStorage__credential", "AzureWebJobsStorage__clientId",
    "AZURE_CLIENT_ID", "APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
}  # fmt: skip
"""App settings that the Functions host, the Azure SDK and Application Insights read."""


def body(file: str, name: str) -> str:
    return text(FILES[file].declarations[name].body)


def at(file: str, name: str, *path: str) -> str:
    """The source of a property of a resource, by its path from `properties` down."""
    node = FILES[file].declarations[name].body
    for step in path:
        node = properties(node)[step]
    return text(node)


def hub_settings() -> dict[str, str]:
    variable = MAIN.declarations["hubSettings"].node
    return {name: text(value) for name, value in properties(variable.named_children[-1]).items()}


def host_settings() -> dict[str, str]:
    union = properties(FILES["modules/function-app.bicep"].declarations["settings"].body)["properties"]
    return {
        name: text(value) for node in walk(union) if node.type == "object" for name, value in properties(node).items()
    }


@pytest.mark.parametrize("name", [*FILES, *PARAMETERS])
def test_each_file_is_bicep_and_refers_to_nothing_that_is_not_declared(name: str) -> None:
    file = {**FILES, **PARAMETERS}[name]
    assert file.errors() == []
    assert file.unknown() == set()


@pytest.mark.parametrize("name", FILES)
def test_each_parameter_and_output_is_described(name: str) -> None:
    file = FILES[name]
    for one in [*file.of_kind("param").values(), *file.outputs.values()]:
        assert re.search(r"@description\('.+'\)", one.decorators), one.name


@pytest.mark.parametrize("name", FILES)
def test_each_parameter_and_variable_is_used(name: str) -> None:
    file = FILES[name]
    used = {
        text(node)
        for node in walk(file.root)
        if node.type == "identifier"
        and not is_name_of_property(node)
        and not (node.parent is not None and node.parent.type in ("parameter_declaration", "variable_declaration"))
    }
    # A variable's or a parameter's own value refers too.
    for one in file.declarations.values():
        if one.kind in ("param", "var"):
            used |= {text(node) for child in one.node.named_children[1:] for node in walk(child)}
    assert set(file.of_kind("param")) | set(file.of_kind("var")) <= used


def test_every_file_is_part_of_the_deployment() -> None:
    reached = {module_file(file.path, one.of) for file, one in MODULES} | {"main.bicep"}
    assert reached == set(FILES)
    assert "loadTextContent('workbook.json')" in text(FILES["alerts.bicep"].root)


@pytest.mark.parametrize(("file", "module"), MODULES, ids=[one.name for _, one in MODULES])
def test_a_module_is_given_the_parameters_that_it_declares(file: File, module: Declaration) -> None:
    declared = FILES[module_file(file.path, module.of)].of_kind("param")
    given = set(properties(properties(module.body)["params"]))
    assert given <= set(declared)
    assert {name for name, one in declared.items() if one.default is None} <= given


@pytest.mark.parametrize("name", FILES)
def test_outputs_of_modules_that_are_read_are_there(name: str) -> None:
    file, modules = FILES[name], FILES[name].of_kind("module")
    read = re.findall(r"(\w+)\.outputs\.(\w+)", text(file.root))
    assert read or not modules or name != "main.bicep"
    for module, output in read:
        assert output in FILES[module_file(file.path, modules[module].of)].outputs


@pytest.mark.parametrize("name", FILES)
def test_each_resource_has_a_type_with_a_version(name: str) -> None:
    for one in FILES[name].of_kind("resource").values():
        assert re.fullmatch(r"Microsoft(\.\w+)+(/\w+)+@20\d\d-\d\d-\d\d", one.of), one.of


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_environments_parameters_are_those_of_main(name: str) -> None:
    assert strings(PARAMETERS[name].root)[0] == "main.bicep"
    given, declared = set(PARAMETERS[name].of_kind("var")), MAIN.of_kind("param")
    assert given <= set(declared)
    assert {one for one, declaration in declared.items() if declaration.default is None} <= given


def test_there_are_parameters_for_each_environment_and_for_azd() -> None:
    assert set(PARAMETERS) == {"dev.bicepparam", "staging.bicepparam", "prod.bicepparam", "main.bicepparam"}
    for name in ("dev", "staging", "prod"):
        given = PARAMETERS[f"{name}.bicepparam"].declarations
        assert strings(given["environmentName"].node) == [name]
        assert strings(given["catalog"].node) == ["HUB_CATALOG", name]


def test_what_main_takes_has_allowed_values_that_it_knows() -> None:
    assert set(strings(MAIN.declarations["entraUnauthenticated"].node)) == {"Return401"}
    assert AlertFormat(strings(MAIN.declarations["alertFormat"].node)[0]) == AlertFormat.TEAMS
    for value in AlertFormat:
        assert f"'{value}'" in MAIN.declarations["alertFormat"].decorators


# Settings


def test_the_apps_settings_are_the_services_and_the_other_way_round() -> None:
    assert set(hub_settings()) == {one.metadata["env"] for one in fields(Settings)}


def test_whatever_else_is_set_is_the_hosts() -> None:
    assert set(host_settings()) == HOSTS
    assert (
        text(properties(FILES["modules/function-app.bicep"].declarations["settings"].body)["name"]) == "'appsettings'"
    )
    assert "union(hubSettings, {" in body("modules/function-app.bicep", "settings")


@pytest.mark.parametrize("name", sorted({one.metadata["env"] for one in fields(Settings)}))
def test_each_setting_comes_from_a_parameter(name: str) -> None:
    parameters, seen = set(MAIN.of_kind("param")), set[str]()
    waiting = set(re.findall(r"\w+", hub_settings()[name]))
    while waiting:
        seen |= (one := waiting.pop()) and {one}
        if one in MAIN.of_kind("var"):
            waiting |= set(re.findall(r"\w+", text(MAIN.declarations[one].node))) - seen
    assert seen & parameters


@pytest.mark.parametrize("setting", [one for one in fields(Settings) if one.default not in (MISSING, None)])
def test_a_default_of_the_deployment_is_the_services(setting) -> None:  # type: ignore[no-untyped-def]
    written = hub_settings()[setting.metadata["env"]]
    [parameter] = set(re.findall(r"\w+", written)) & set(MAIN.of_kind("param"))
    default = MAIN.declarations[parameter].default
    assert default is not None
    assert setting.metadata["parse"](default.strip("'")) == setting.default


def test_no_setting_stops_python_from_keeping_its_bytecode_or_is_of_another_plan() -> None:
    for file in FILES.values():
        source = text(file.root)
        assert "PYTHONDONTWRITEBYTECODE" not in source
        for other in ("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_", "SCM_DO_BUILD"):
            assert f"{other}" not in source.replace("FUNCTIONS_ and WEBSITE_ settings", "")


def test_telemetry_signs_in_as_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    assert at("modules/monitoring.bicep", "insights", "properties", "DisableLocalAuth") == "true"
    value = host_settings()["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"].strip("'")
    monkeypatch.setenv("APPLICATIONINSIGHTS_AUTHENTICATION_STRING", value.replace("${identityClientId}", "an-id"))
    monkeypatch.setenv("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "true")
    exporter = AzureMonitorTraceExporter(
        connection_string="InstrumentationKey=00000000-0000-0000-0000-000000000000", disable_offline_storage=True
    )
    assert type(exporter._credential).__name__ == "ManagedIdentityCredential"


# Rights


def test_only_roles_of_the_table_are_given_and_the_page_on_security_has_each() -> None:
    security = (ROOT / "docs" / "security.md").read_text("utf-8").replace("**", "")
    given = set(
        re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "".join(text(f.root) for f in FILES.values()))
    )
    assert given <= set(ROLES.values())
    for role, id_ in ROLES.items():
        assert (id_ in given) is (role in security), role


ASSIGNMENTS = {
    ("modules/storage-roles.bicep", "appRoles"): ("account", "role.value"),
    ("modules/config-roles.bicep", "writers"): ("configContainer", "blobDataContributor"),
    ("modules/landing-roles.bicep", "readers"): ("landing[i]", "blobDataReader"),
    ("modules/secret-roles.bicep", "readers"): ("secrets[i]", "secretsUser"),
    ("modules/monitoring.bicep", "publisher"): ("insights", "metricsPublisher"),
    ("modules/event-roles.bicep", "sends"): ("queue", "queueSender"),
    ("modules/event-roles.bicep", "givesUp"): ("container", "blobDataContributor"),
    ("modules/event-roles.bicep", "whole"): ("account", "role"),
}
"""Every role assignment: what it is on, and which role it is."""


def test_each_role_is_given_on_as_little_as_can_be() -> None:
    found = {
        (name, one.name): (at(name, one.name, "scope"), at(name, one.name, "properties", "roleDefinitionId"))
        for name, file in FILES.items()
        for one in file.of_kind("resource").values()
        if one.of.startswith("Microsoft.Authorization/roleAssignments@")
    }
    wanted = {
        key: (scope, f"subscriptionResourceId('Microsoft.Authorization/roleDefinitions', {role})")
        for key, (scope, role) in ASSIGNMENTS.items()
    }
    assert found == wanted


def test_the_variables_of_roles_hold_the_roles_that_they_name() -> None:
    expected = {
        "blobDataContributor": "Storage Blob Data Contributor", "blobDataReader": "Storage Blob Data Reader",
        "metricsPublisher": "Monitoring Metrics Publisher", "queueSender": "Storage Queue Data Message Sender",
        "secretsUser": "Key Vault Secrets User",
    }  # fmt: skip
    seen = set()
    for file in FILES.values():
        for name, one in file.of_kind("var").items():
            if name in expected:
                assert strings(one.node) == [ROLES[expected[name]]]
                seen.add(name)
    assert seen == set(expected)
    own = properties(FILES["modules/storage-roles.bicep"].declarations["roles"].node.named_children[-1])
    assert {name: text(value).strip("'") for name, value in own.items()} == {
        name: ROLES[name]
        for name in ("Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor")
    }
    wanted = text(FILES["modules/event-roles.bicep"].declarations["wanted"].node)
    assert wanted.endswith("= toQueue ? [queueSender, blobDataContributor] : [blobDataContributor]")


def test_event_grids_roles_on_the_whole_account_are_asked_for_and_not_the_default() -> None:
    assert MAIN.declarations["eventRolesOnAccount"].default == "false"
    roles = FILES["modules/event-roles.bicep"].declarations
    assert "if (toQueue && !onAccount)" in text(roles["sends"].node)
    assert "if (!onAccount)" in text(roles["givesUp"].node)
    assert "if (onAccount)" in text(roles["whole"].node)


def test_a_spokes_release_writes_its_own_csv_alone() -> None:
    [condition] = strings(
        properties(properties(FILES["modules/config-roles.bicep"].declarations["writers"].body)["properties"])[
            "condition"
        ]
    )
    for action in ("read", "write", "add/action", "delete", "move/action"):
        assert f"!(ActionMatches{{\\'${{blobActions}}/{action}\\'}})" in condition
    assert condition.endswith(
        "OR (@Resource[${blobActions}:path] StringEquals \\'${configFolder}/${writer.lob}_config.csv\\'))"
    )
    assert condition.count("(") == condition.count(")")


def test_no_key_is_read_and_none_is_handed_out() -> None:
    for file in FILES.values():
        source = text(file.root)
        assert not re.search(
            r"listKeys|listAccountSas|listServiceSas|listSecrets|AccountKey|SharedAccessSig|getSecret", source
        )
        for output in file.outputs.values():
            assert not re.search(r"(?i)connectionstring|key|secret|token|password", text(output.node).split("=", 1)[1])
    uses = [name for name, file in FILES.items() if "ConnectionString" in text(file.root)]
    assert uses == ["modules/function-app.bicep"]
    assert host_settings()["APPLICATIONINSIGHTS_CONNECTION_STRING"] == "insights.properties.ConnectionString"


@pytest.mark.parametrize("name", ["DATABRICKS_TOKEN", "HUB_ALERT_WEBHOOK", "HUB_STORAGE_CONNECTIONS"])
def test_a_secret_setting_is_a_reference_to_the_key_vault(name: str) -> None:
    assert re.fullmatch(r"empty\((\w+Secret)\) \? '' : '\$\{secretPrefix\}\$\{\1\}\)'", hub_settings()[name])
    prefix = strings(MAIN.declarations["secretPrefix"].node)
    assert prefix == ["@Microsoft.KeyVault(VaultName=${keyVaultName};SecretName="]
    secret = re.findall(r"\w+Secret", hub_settings()[name])[0]
    assert secret in text(MAIN.declarations["secretNames"].node)


# Names


def test_environments_that_share_an_account_or_a_resource_group_have_alerts_and_a_workbook_of_their_own() -> None:
    for file, name in [
        ("modules/event-topic.bicep", "deadLetters"),
        ("alerts.bicep", "alerts"),
        ("alerts.bicep", "workbook"),
    ]:
        assert re.search(r"\benvironmentName\b", at(file, name, "name")), name
    assert at("alerts.bicep", "alerts", "properties", "displayName") == at("alerts.bicep", "alerts", "name")
    assert "${environmentName}" in at("alerts.bicep", "workbook", "properties", "displayName")


# The function app and its storage


def test_the_app_is_made_once_its_identity_may_read_storage_and_secrets() -> None:
    assert re.findall(r"\w+", at("main.bicep", "functionApp", "dependsOn")) == ["storageRoles", "secretRoles"]


def test_the_app_runs_on_flex_consumption_with_the_projects_python() -> None:
    plan = at("modules/function-app.bicep", "plan", "sku")
    assert re.findall(r"'(\w+)'", plan) == ["FC1", "FlexConsumption"]
    runtime = at("modules/function-app.bicep", "app", "properties", "functionAppConfig", "runtime")
    version = (ROOT / ".python-version").read_text("utf-8").strip()
    assert re.findall(r"'([\w.]+)'", runtime) == ["python", version]


def test_storage_and_package_are_reached_by_the_user_assigned_identity() -> None:
    settings = host_settings()
    assert settings["AzureWebJobsStorage__credential"] == "'managedidentity'"
    assert settings["AzureWebJobsStorage__clientId"] == settings["AZURE_CLIENT_ID"] == "identityClientId"
    package = at("modules/function-app.bicep", "app", "properties", "functionAppConfig", "deployment", "storage")
    assert "type: 'UserAssignedIdentity'" in package
    assert "userAssignedIdentityResourceId: identityId" in package
    assert at("modules/function-app.bicep", "app", "identity", "type") == "'UserAssigned'"


def test_nobody_publishes_with_a_password() -> None:
    for name in ("ftp", "scm"):
        assert at("modules/function-app.bicep", f"{name}Publishing", "name") == f"'{name}'"
        assert at("modules/function-app.bicep", f"{name}Publishing", "properties", "allow") == "false"


def test_the_hubs_storage_has_no_keys_and_no_public_blobs() -> None:
    account = properties(properties(FILES["modules/storage.bicep"].declarations["account"].body)["properties"])
    assert text(account["allowSharedKeyAccess"]) == text(account["allowBlobPublicAccess"]) == "false"
    assert text(account["minimumTlsVersion"]) == "'TLS1_2'"
    assert "bypass: 'AzureServices'" in text(account["networkAcls"])


def test_queues_and_containers_are_those_that_the_hub_uses() -> None:
    file = FILES["modules/storage.bicep"]
    queues, containers = strings(file.declarations["queues"].node), strings(file.declarations["containers"].node)
    events = queue.StorageEvents.__init__.__defaults__ or ()
    assert set(queues) == {queue.LOADS, f"{queue.LOADS}-poison", "blob-events", "blob-events-poison"}
    assert not events or set(events) <= set(queues)
    assert DOCUMENTS in containers
    for output, among, name in [
        ("packageContainer", containers, "app-package"),
        ("deadLetterContainer", containers, "dead-letters"),
        ("eventQueue", queues, "blob-events"),
    ]:
        [index] = re.findall(r"\[(\d)\]\.name$", text(file.outputs[output].node))
        assert among[int(index)] == name
    assert "'config'" in text(file.declarations["containers"].node)
    assert "abfss://config@${storage.outputs.name}" in text(MAIN.declarations["configRoot"].node)


def test_entra_in_front_leaves_health_and_event_grids_webhook_open() -> None:
    open_ = strings(
        properties(
            properties(
                properties(FILES["modules/function-app.bicep"].declarations["authentication"].body)["properties"]
            )["globalValidation"]
        )["excludedPaths"]
    )
    assert open_ == ["/api/health", "/runtime/webhooks/eventgrid"]
    assert "if (!empty(entraClientId))" in text(FILES["modules/function-app.bicep"].declarations["authentication"].node)


def test_the_network_is_made_where_it_is_asked_for() -> None:
    assert "if (privateNetwork)" in text(MAIN.declarations["network"].node)
    assert "if (privateNetwork && privateApp)" in text(MAIN.declarations["appEndpoint"].node)
    assert strings(FILES["modules/network.bicep"].declarations["services"].node) == ["blob", "queue", "table"]
    assert "Microsoft.App/environments" in text(FILES["modules/network.bicep"].root)


# Events


def subscription(*path: str) -> str:
    """The source of a property of the subscription's, below the object that is merged into its properties."""
    merged = properties(FILES["modules/event-subscriptions.bicep"].declarations["subscriptions"].body)["properties"]
    node = next(one for one in walk(merged) if one.type == "object")
    for step in path:
        node = properties(node)[step]
    return text(node)


def test_events_are_those_that_the_hub_reads() -> None:
    file = FILES["modules/event-subscriptions.bicep"]
    assert set(re.findall(r"'([\w.]+)'", subscription("filter", "includedEventTypes"))) == {
        CREATED,
        RENAMED,
        FOLDER_RENAMED,
    }
    apis = set(strings(file.declarations["apis"].node))
    assert apis - {"RenameFile", "RenameDirectory", "SftpRename"} == COMPLETING
    complete = text(file.declarations["complete"].node)
    assert "operatorType: 'StringIn'" in complete
    assert "key: 'data.api'" in complete
    assert "values: apis" in complete
    assert subscription("filter", "advancedFilters") == "concat(complete, ending)"


def test_a_subscription_is_of_one_container_and_of_the_endings_that_are_wanted() -> None:
    assert subscription("filter", "subjectBeginsWith") == "'/blobServices/default/containers/${container}/blobs/'"
    ending = text(FILES["modules/event-subscriptions.bicep"].declarations["ending"].node)
    assert "operatorType: 'StringEndsWith', key: 'subject', values: subjectSuffixes" in ending
    assert "empty(subjectSuffixes) ? []" in ending


def test_what_cannot_be_delivered_is_kept() -> None:
    dead = subscription("deadLetterWithResourceIdentity")
    assert "blobContainerName: deadLetterContainer" in dead
    assert "type: 'SystemAssigned'" in dead
    assert "DeadLetteredCount" in text(FILES["modules/event-topic.bicep"].root)


def test_events_go_to_the_queue_by_identity_or_to_the_function_that_there_is() -> None:
    file = FILES["modules/event-subscriptions.bicep"]
    assert "deliveryWithResourceIdentity" in text(file.declarations["toQueue"].node)
    assert "endpointType: 'StorageQueue'" in text(file.declarations["toQueue"].node)
    assert "endpointType: 'AzureFunction'" in text(file.declarations["toFunction"].node)
    assert "union(empty(queueName) ? toFunction : toQueue, {" in text(file.root)
    [function] = re.findall(r"/functions/(\w+)'", body("main.bicep", "eventSubscriptions"))
    triggers = (ROOT / "function_app" / "timers_and_queues.py").read_text("utf-8")
    assert re.findall(r"@triggers\.event_grid_trigger\(.*\)\ndef (\w+)", triggers) == [function]


# azd


def test_azd_finds_the_template_and_the_app() -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text("utf-8"))
    [(name, service)] = project["services"].items()
    assert (ROOT / project["infra"]["path"] / f"{project['infra']['module']}.bicep") == MAIN.path
    assert service == {"project": ".", "language": "python", "host": "function"}
    assert f"'azd-service-name': '{name}'" in text(MAIN.root)


def test_a_package_of_the_app_has_what_it_runs_on_and_not_the_rest() -> None:
    ignored = [line for line in (ROOT / ".funcignore").read_text("utf-8").splitlines() if not line.startswith("#")]

    def left_out(name: str) -> bool:
        return any(Path(name).match(pattern) for pattern in ignored)

    needed = ("function_app", "function_app.py", "hub_core", "ddl", "host.json", "requirements.txt")
    assert not [name for name in needed if left_out(name)]
    assert all(map(left_out, (".venv", ".git", ".local", "tests", "local_stack", "spark_jobs", "requirements-dev.txt")))
