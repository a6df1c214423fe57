"""The door to Kubeflow Pipelines: kfp's client, with time limits, retries and typed errors.

Every call can be made again: what is to be made is looked for first, under a name that follows from its content or
that the caller gave, and what two made at the same time is one in the end.
"""

from __future__ import annotations

import json
import os
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import kfp
from kfp.client.client import KF_PIPELINES_ENDPOINT_ENV
from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials

from components.store.errors import UserError
from pipelines.kubeflow_errors import AlreadyThere, login, patiently
from pipelines.recipe import Recipe

INSIDE = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
"""Where Kubeflow's manifests put it, for whoever runs in the cluster."""
PROJECTED = "/var/run/secrets/kubeflow/pipelines/token"
"""A service account's token for the audience pipelines.kubeflow.org; KF_PIPELINES_SA_TOKEN_PATH names another file."""
LIMITS = (10, 60)
"""Seconds to connect, and to wait for an answer; kfp's own client waits for ever."""
PAGE = 100
SETTLE = 3.0
"""Seconds after which all who found no run of a name have started theirs."""


class Kubeflow:
    """Kubeflow Pipelines, as one line uses it."""

    def __init__(self, recipe: Recipe) -> None:
        """Reach the server; as whom, the environment says.

        Raises:
            UserError: KFP_NO_HOST, KFP_LOGIN, KFP_NO_NAMESPACE and what `patiently` raises.
        """
        cluster, self.name = recipe.cluster, f"touchstone-{recipe.name}"
        self.service_account = cluster.service_account
        self._client = _client(cluster.host)
        self.models = self._client.api_models
        several = self._multi_user()
        self.namespace = cluster.namespace if several else None  # where there is one user, naming any is refused
        if several and not self.namespace:
            fix = "Set cluster.namespace to your profile's namespace."
            raise UserError("KFP_NO_NAMESPACE", "this Kubeflow serves several users, each in a namespace", fix=fix)

    def _multi_user(self) -> bool:
        """Ask for the server's health; a page of a login proxy answers with status 200 too."""
        ask = self._client.healthzs.healthz_service_get_healthz
        answer = patiently(lambda: ask(_preload_content=False, _request_timeout=LIMITS))
        try:
            return bool(json.loads(answer.data).get("multi_user"))
        except ValueError:
            raise login("a page, not an answer of the API") from None

    def experiment(self) -> str:
        """The id of the line's experiment, made if there is none."""
        api = self._client.experiments
        body = self.models.V2beta1Experiment(display_name=self.name, namespace=self.namespace)
        found = self._made_once(
            lambda: self._named(api.experiment_service_list_experiments, "experiments", namespace=self.namespace),
            lambda: api.experiment_service_create_experiment(experiment=body, _request_timeout=LIMITS),
        )
        return str(found.experiment_id)

    def version(self, package: Path, pipeline: str, name: str) -> Any:
        """Its reference to a compiled pipeline's version, uploaded if it is not there."""
        api, upload = self._client.pipelines, self._client.pipeline_uploads.upload_pipeline_version
        body = self.models.V2beta1Pipeline(display_name=pipeline, name=pipeline, namespace=self.namespace)
        known: dict[str, Any] = {"namespace": self.namespace, "name": pipeline}
        parent = self._made_once(
            lambda: self._named(api.pipeline_service_list_pipelines, "pipelines", **known),
            lambda: api.pipeline_service_create_pipeline(pipeline=body, _request_timeout=LIMITS),
        ).pipeline_id
        versions = {"pipeline_id": parent, "name": name}
        version = self._made_once(
            lambda: self._named(api.pipeline_service_list_pipeline_versions, "pipeline_versions", **versions),
            lambda: upload(str(package), name=name, pipelineid=parent, _request_timeout=LIMITS),
        ).pipeline_version_id
        return self.models.V2beta1PipelineVersionReference(pipeline_id=parent, pipeline_version_id=version)

    def run(self, experiment: str, name: str, version: Any, parameters: dict[str, Any]) -> tuple[Any, bool]:
        """The run of that name, and whether it is this call that started it.

        Kubeflow lets two runs have one name. So everybody looks again, when all who found none have started theirs,
        and whoever started one ends it if another one is older.
        """
        api, started = self._client.runs, list[Any]()
        body = self.models.V2beta1Run(
            display_name=name,
            experiment_id=experiment,
            pipeline_version_reference=version,
            runtime_config=self.models.V2beta1RuntimeConfig(parameters=parameters),
            service_account=self.service_account,
        )

        def find() -> Any:
            return self._named(api.run_service_list_runs, "runs", experiment_id=experiment, name=name)

        def start() -> Any:
            started.append(api.run_service_create_run(run=body, _request_timeout=LIMITS))
            return started[0]

        found = self._made_once(find, start)
        time.sleep(SETTLE)
        first = patiently(find) or found
        beaten = [one.run_id for one in started if one.run_id != first.run_id]
        if beaten:
            patiently(lambda: api.run_service_terminate_run(run_id=beaten[0], _request_timeout=LIMITS))
        return first, bool(started) and not beaten

    def schedules(self, experiment: str) -> list[Any]:
        """The line's recurring runs, the oldest first; those that people made by hand are not ours."""
        every = self._client.recurring_runs.recurring_run_service_list_recurring_runs
        ours = re.compile(f"{re.escape(self.name)}-[0-9a-f]{{12}}")
        found = patiently(lambda: list(self._all(every, "recurring_runs", experiment_id=experiment)))
        return _oldest_first((one for one in found if ours.fullmatch(one.display_name)), "recurring_runs")

    def schedule(self, experiment: str, name: str, version: Any, cron: str) -> Any:
        """Make a recurring run that is not enabled yet: no catching up, one run at a time."""
        api = self._client.recurring_runs
        body = self.models.V2beta1RecurringRun(
            display_name=name,
            experiment_id=experiment,
            pipeline_version_reference=version,
            trigger=self.models.V2beta1Trigger(cron_schedule=self.models.V2beta1CronSchedule(cron=cron)),
            mode="DISABLE",
            no_catchup=True,
            max_concurrency="1",
            service_account=self.service_account,
        )
        return self._made_once(
            lambda: next((one for one in self.schedules(experiment) if one.display_name == name), None),
            lambda: api.recurring_run_service_create_recurring_run(recurring_run=body, _request_timeout=LIMITS),
        )

    def change(self, what: str, schedule: Any) -> None:
        """`enable`, `disable` or `delete` a recurring run."""
        ask = getattr(self._client.recurring_runs, f"recurring_run_service_{what}_recurring_run")
        patiently(lambda: ask(recurring_run_id=schedule.recurring_run_id, _request_timeout=LIMITS))

    def _made_once(self, find: Callable[[], Any], make: Callable[[], Any]) -> Any:
        """What `find` finds, or what `make` makes; after an answer that was lost, it is looked for again."""
        try:
            return patiently(lambda: find() or make())
        except AlreadyThere:
            return patiently(find)

    def _named(self, every: Callable[..., Any], kind: str, *, name: str = "", **known: Any) -> Any:
        """The oldest of that display name, or None."""
        wanted = name or self.name
        equal = {"operation": "EQUALS", "key": "display_name", "string_value": wanted}
        found = self._all(every, kind, filter=json.dumps({"predicates": [equal]}), **known)
        same_name = [one for one in found if one.display_name == wanted]
        return next(iter(_oldest_first(same_name, kind)), None)

    def _all(self, every: Callable[..., Any], kind: str, **known: Any) -> Iterator[Any]:
        """Page by page."""
        asked, token = {name: value for name, value in known.items() if value is not None}, ""
        while True:
            page = {"page_size": PAGE, "page_token": token, **asked}
            answer = every(**page, _request_timeout=LIMITS)
            yield from getattr(answer, kind) or []
            token = answer.next_page_token
            if not token:
                return


def _oldest_first(found: Iterable[Any], kind: str) -> list[Any]:
    """Of two that were made in the same second, the smaller id counts as the older: for everybody the same one."""
    return sorted(found, key=lambda one: (one.created_at, getattr(one, f"{kind.removesuffix('s')}_id")))


def _client(host: str | None) -> Any:
    """Kfp's client; the credentials that the environment names.

    A namespace is named so that the client does not ask for the server's health before it has time limits; every call
    says its own.
    """
    token_file = Path(os.environ.get("KF_PIPELINES_SA_TOKEN_PATH", PROJECTED))
    known = {"existing_token": os.environ.get("KF_PIPELINES_TOKEN"), "cookies": os.environ.get("KF_PIPELINES_COOKIE")}
    if not any(known.values()) and token_file.exists():
        known = {"credentials": ServiceAccountTokenVolumeCredentials(str(token_file))}
    address = host or os.environ.get(KF_PIPELINES_ENDPOINT_ENV) or (INSIDE if token_file.exists() else None)
    if not address:
        fix = (
            "Set cluster.host or KF_PIPELINES_ENDPOINT; `kubectl port-forward` gives one such as http://127.0.0.1:8888."
        )
        raise UserError("KFP_NO_HOST", "nobody says where Kubeflow Pipelines is", fix=fix)
    with warnings.catch_warnings(action="ignore"):
        made = kfp.Client(host=address, namespace="as-each-call-says", **known)
    # urllib3 would try again at once, three times, and double what is not there to be doubled.
    made.runs.api_client.rest_client.pool_manager.connection_pool_kw["retries"] = False
    return made
