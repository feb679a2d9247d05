"""The schema: AppSync would take it, every field is served, and it says what REST says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_non_null_type,
    parse,
    validate,
)
from pydantic import BaseModel

from chalicelib.adapters.event_publisher import EVENT_FIELDS, MUTATION_BY_KIND, publication
from chalicelib.api import (
    campaign_schemas,
    cost_schemas,
    diff_schemas,
    event_schemas,
    model_schemas,
    pipeline_schemas,
    query_schemas,
    schemas,
    track_schemas,
    upload_schemas,
    version_schemas,
    webhook_schemas,
)
from chalicelib.api.graphql.limits import PAGE_LIMITS_BY_FIELD
from chalicelib.api.graphql.resolvers import RESOLVERS, TYPE_BY_KIND
from chalicelib.api.graphql.words import OPAQUE, to_camel, to_snake
from chalicelib.domain.events import JobEventKind
from chalicelib.domain.jobs import JobState
from chalicelib.domain.units import UnitState
from chalicelib.domain.videos import VideoState
from infra.local.appsync.sdl import COGNITO, IAM, PRELUDE
from infra.wiring import WIRING
from tests.api.graphql_client import SDL

SCHEMA = SDL.schema
TEXT = WIRING.graphql.schema_path.read_text(encoding="utf-8")
BUILT_IN = {"ID", "String", "Int", "Float", "Boolean"}
AWS_SCALARS = set(re.findall(r"scalar (\w+)", PRELUDE))
AWS_DIRECTIVES = set(re.findall(r"directive @(\w+)", PRELUDE))
REST_BY_TYPE: dict[str, type[BaseModel]] = {
    "Video": schemas.VideoOut,
    "Media": schemas.MediaOut,
    "Error": schemas.ErrorOut,
    "Source": schemas.SourceOut,
    "Job": schemas.JobOut,
    "ModelRef": schemas.ModelRefOut,
    "Plan": schemas.PlanOut,
    "Progress": schemas.ProgressOut,
    "Missing": schemas.MissingOut,
    "Reused": schemas.ReusedOut,
    "ModelReuse": schemas.ModelReuseOut,
    "Segment": schemas.SegmentOut,
    "Detection": schemas.DetectionOut,
    "Track": schemas.TrackOut,
    "JobEvent": event_schemas.JobEventOut,
    "LabelCount": event_schemas.LabelCountOut,
    "Model": schemas.ModelOut,
    "JobCost": cost_schemas.JobCostOut,
    "CpuSeconds": cost_schemas.CpuSecondsOut,
    "CostParts": cost_schemas.CostPartsOut,
    "Quote": cost_schemas.QuoteOut,
    "Budget": cost_schemas.BudgetOut,
    "BudgetInput": cost_schemas.BudgetIn,
    "Webhook": webhook_schemas.WebhookOut,
    "WebhookConnection": webhook_schemas.WebhooksPage,
    "WebhookSecret": webhook_schemas.WebhookSecretOut,
    "WebhookInput": webhook_schemas.WebhookIn,
    "WebhookChangeInput": webhook_schemas.WebhookChangeIn,
    "RotateInput": webhook_schemas.RotateIn,
    "ReplayInput": webhook_schemas.ReplayIn,
    "Replay": webhook_schemas.ReplayOut,
    "Delivery": webhook_schemas.DeliveryOut,
    "DeliveryConnection": webhook_schemas.DeliveriesPage,
    "VideoCreated": schemas.VideoCreatedOut,
    "Upload": schemas.UploadOut,
    "TrackVersion": track_schemas.TrackVersionOut,
    "TrackVersionConnection": track_schemas.TrackVersionsPage,
    "RetrackInput": track_schemas.TracksIn,
    "DetectionItem": query_schemas.DetectionItemOut,
    "TrackItem": query_schemas.TrackItemOut,
    "AppearanceItem": query_schemas.AppearanceItemOut,
    "PairItem": query_schemas.PairItemOut,
    "BucketItem": query_schemas.BucketItemOut,
    "DwellItem": query_schemas.DwellItemOut,
    "Campaign": campaign_schemas.CampaignOut,
    "CampaignConnection": campaign_schemas.CampaignsPage,
    "CampaignCreated": campaign_schemas.CampaignCreatedOut,
    "CampaignEstimate": campaign_schemas.CampaignEstimateOut,
    "CampaignInput": campaign_schemas.CampaignIn,
    "CampaignSelect": campaign_schemas.SelectForm,
    "CampaignSelectInput": campaign_schemas.SelectForm,
    "PipelineAge": campaign_schemas.PipelineAgeForm,
    "PipelineAgeInput": campaign_schemas.PipelineAgeForm,
    "Analysis": schemas.AnalysisIn,
    "AnalysisInput": schemas.AnalysisIn,
    "Window": campaign_schemas.WindowForm,
    "WindowInput": campaign_schemas.WindowForm,
    "Canary": campaign_schemas.CanaryForm,
    "CanaryInput": campaign_schemas.CanaryForm,
    "Bounds": campaign_schemas.BoundsForm,
    "BoundsInput": campaign_schemas.BoundsForm,
    "LabelBounds": campaign_schemas.LabelBoundsForm,
    "LabelBoundsInput": campaign_schemas.LabelBoundsForm,
    "CatchUp": campaign_schemas.CatchUpForm,
    "CatchUpInput": campaign_schemas.CatchUpForm,
    "CampaignRun": campaign_schemas.CampaignRunOut,
    "CampaignRunConnection": campaign_schemas.CampaignRunsPage,
    "RunProgress": campaign_schemas.RunProgressOut,
    "RunSpend": campaign_schemas.RunSpendOut,
    "RunReport": campaign_schemas.RunReportOut,
    "RunReason": campaign_schemas.RunReasonOut,
    "CampaignTarget": campaign_schemas.CampaignTargetOut,
    "CampaignTargetConnection": campaign_schemas.CampaignTargetsPage,
    "Diff": diff_schemas.DiffOut,
    "DiffSums": diff_schemas.DiffSumsOut,
    "DiffLabel": diff_schemas.DiffLabelOut,
    "DiffBucket": diff_schemas.DiffBucketOut,
    "DiffFrames": diff_schemas.DiffFramesOut,
    "DiffMissing": diff_schemas.DiffMissingOut,
    "Change": diff_schemas.ChangeOut,
    "SeenDetection": diff_schemas.SeenDetectionOut,
    "ChangeConnection": diff_schemas.ChangesPage,
    "PairSide": query_schemas.PairSideOut,
    "Crossing": query_schemas.CrossingOut,
    "PipelineRef": schemas.PipelineRefOut,
    "Pipeline": pipeline_schemas.PipelineOut,
    "PipelineConnection": pipeline_schemas.PipelinesPage,
    "PipelineInput": pipeline_schemas.PipelineIn,
    "Tracker": track_schemas.TrackerOut,
    "TrackerInput": track_schemas.TrackerIn,
    "ResultVersion": version_schemas.ResultVersionOut,
    "ResultVersionConnection": version_schemas.ResultVersionsPage,
    "Move": version_schemas.MoveOut,
    "PromoteInput": version_schemas.PromoteIn,
    "RollBackInput": version_schemas.RollBackIn,
    "Part": upload_schemas.PartOut,
    "VideoConnection": schemas.VideosPage,
    "JobConnection": schemas.JobsPage,
    "SegmentConnection": schemas.SegmentsPage,
    "DetectionConnection": schemas.DetectionsPage,
    "TrackConnection": schemas.TracksPage,
    "JobEventConnection": event_schemas.JobEventsPage,
    "ModelConnection": model_schemas.ModelsPage,
    "NamedModel": model_schemas.NamedModelOut,
    "ModelVersion": model_schemas.ModelVersionOut,
    "ModelTrial": model_schemas.TrialOut,
    "ModelInputCost": model_schemas.InputCostOut,
    "ModelAlias": model_schemas.AliasOut,
    "ModelAliasMove": model_schemas.AliasMoveOut,
    "ModelCreated": model_schemas.ModelCreatedOut,
    "CreateModelInput": model_schemas.ModelIn,
    "ModelManifestInput": model_schemas.ModelManifestIn,
    "ModelFramesInput": model_schemas.ModelInputIn,
    "ModelShapeInput": model_schemas.ModelShapeIn,
    "ModelHeadInput": model_schemas.ModelHeadIn,
    "MoveAliasInput": model_schemas.AliasIn,
    "FoundConnection": query_schemas.FoundTracksOut,
    "PartConnection": upload_schemas.PartsOut,
    "CreateUploadInput": schemas.VideoIn,
    "SourceInput": schemas.SourceIn,
    "SignPartsInput": upload_schemas.PartsIn,
    "CompleteUploadInput": upload_schemas.CompleteIn,
    "UploadedPartInput": upload_schemas.UploadedPartIn,
    "StartJobInput": schemas.JobIn,
    "JobEventInput": event_schemas.JobEventOut,
    "ErrorInput": schemas.ErrorOut,
    "LabelCountInput": event_schemas.LabelCountOut,
}
FORMS = (
    schemas,
    campaign_schemas,
    cost_schemas,
    diff_schemas,
    event_schemas,
    model_schemas,
    pipeline_schemas,
    query_schemas,
    track_schemas,
    upload_schemas,
    version_schemas,
    webhook_schemas,
)
REST_ONLY = {
    "WebhookEnvelope",
    "DeliveryEnvelope",
    "DeliveriesQuery",
    # What receivers get.
    "MessageOut",
    # A union in REST's forms, one type here.
    "EveryFrameIn",
    "PerSecondIn",
    "KeyframesIn",
    "OnceForm",
    "RateForm",
    "CronForm",
    "CampaignEnvelope",
    "CampaignRunEnvelope",
    "CampaignQuery",
    # Envelopes, empty bodies, what only REST has.
    "VideoEnvelope",
    "JobEnvelope",
    "TrackVersionEnvelope",
    "NamedModelEnvelope",
    "AliasEnvelope",
    "ModelVersionQuery",
    "PipelineEnvelope",
    "ResultVersionEnvelope",
    # What a job and a pipeline have in common.
    "AnalysisIn",
    # Read through the job that `Video.version` gives.
    "VersionDetectionsPage",
    "VersionTracksPage",
    "VersionDetectionsQuery",
    "VersionTracksQuery",
    "Nothing",
    "QuoteEnvelope",
    "BudgetEnvelope",
    "StartJobQuery",
    "CostForm",
    "HealthOut",
    "StoredPartOut",
    "StoredPartsOut",
    # One page of a union here, one for each of its kinds there.
    "QueryPageOut",
    "ItemOut",
    *(name for name in vars(query_schemas) if name.startswith("Found")),
    # Arguments, which are compared below.
    "QueryQuery",
    "DiffQuery",
    "DiffChangesQuery",
    "PageQuery",
    "EventsQuery",
    "VersionsQuery",
    "DetectionsQuery",
    "TracksQuery",
    "In",
    "Out",
}
FIELDS_OF_UNIONS = {
    "Sampling": ("kind", "n", "withinSeconds"),
    "When": ("kind", "at", "every", "unit", "startsAt", "expression"),
}
"""One type with the fields of all forms of REST."""
ARGUMENTS: dict[tuple[str, str], type[BaseModel]] = {
    ("Query", "videos"): schemas.PageQuery,
    ("Query", "models"): schemas.PageQuery,
    ("Webhook", "deliveries"): webhook_schemas.DeliveriesQuery,
    ("Query", "jobEvents"): event_schemas.EventsQuery,
    ("Query", "jobQuery"): query_schemas.QueryQuery,
    ("Query", "search"): query_schemas.QueryQuery,
    ("Query", "campaigns"): schemas.PageQuery,
    ("Campaign", "runs"): schemas.PageQuery,
    ("CampaignRun", "videos"): schemas.PageQuery,
    ("Query", "pipelines"): schemas.PageQuery,
    ("Pipeline", "versions"): schemas.PageQuery,
    ("Query", "jobChanges"): diff_schemas.DiffChangesQuery,
    ("Video", "jobs"): schemas.PageQuery,
    ("Video", "versions"): version_schemas.VersionsQuery,
    ("Job", "segments"): schemas.PageQuery,
    ("Job", "detections"): schemas.DetectionsQuery,
    ("Job", "tracks"): schemas.TracksQuery,
    ("Job", "events"): event_schemas.EventsQuery,
}
FOUND = {member.name for member in SDL.schema.type_map["Found"].types}  # type: ignore[attr-defined]
MORE_FIELDS = {
    "Webhook": {"deliveries"},
    "Campaign": {"runs"},
    "CampaignRun": {"videos"},
    "Video": {"jobs", "source", "version", "versions"},
    "Pipeline": {"versions"},
    "Job": {"video", "segments", "detections", "tracks", "events", "trackVersions"},
}
"""What a graph has and a list of fields has not."""


def own_types() -> dict[str, Any]:
    return {
        name: kind
        for name, kind in SCHEMA.type_map.items()
        if not name.startswith("__") and name not in BUILT_IN | AWS_SCALARS
    }


def test_the_file_uses_only_what_appsync_has() -> None:
    assert set(re.findall(r"@(\w+)", re.sub(r'"[^"\n]*"|#.*', "", TEXT))) <= AWS_DIRECTIVES
    assert re.search(r"^\s*(scalar|directive|extend|interface)\b", TEXT, re.MULTILINE) is None
    scalars = {name for name, kind in SCHEMA.type_map.items() if isinstance(kind, GraphQLScalarType)}
    assert scalars <= BUILT_IN | AWS_SCALARS


def test_no_argument_has_a_default_that_appsync_would_not_apply() -> None:
    defaults = [
        f"{name}.{field}({argument})"
        for name, kind in own_types().items()
        if isinstance(kind, GraphQLObjectType)
        for field, definition in kind.fields.items()
        for argument, node in definition.args.items()
        if node.ast_node is not None and node.ast_node.default_value is not None
    ]
    assert defaults == []


def test_every_field_has_a_resolver_or_is_a_property_of_rest() -> None:
    """A field that nobody serves would always be null."""
    unserved = []
    for name, kind in own_types().items():
        if not isinstance(kind, GraphQLObjectType):
            continue
        for field in kind.fields:
            properties = REST_BY_TYPE[name].model_fields if name in REST_BY_TYPE else {}
            is_of_union = field in FIELDS_OF_UNIONS.get(name, ())
            if (name, field) not in RESOLVERS and to_snake(field) not in properties and not is_of_union:
                unserved.append(f"{name}.{field}")
    assert unserved == []


def test_every_resolver_has_its_field() -> None:
    fields = {
        (name, field)
        for name, kind in own_types().items()
        if isinstance(kind, GraphQLObjectType)
        for field in kind.fields
    }
    assert set(RESOLVERS) - fields == set()


def test_every_form_and_answer_of_rest_has_its_twin() -> None:
    models = {
        name
        for module in FORMS
        for name, model in vars(module).items()
        # pydantic leaves its own generic models in the module.
        if isinstance(model, type) and issubclass(model, BaseModel) and name.isidentifier() and model is not BaseModel
    }
    assert models - REST_ONLY - {"RootModel"} == {model.__name__ for model in REST_BY_TYPE.values()} - REST_ONLY


@pytest.mark.parametrize("name", REST_BY_TYPE)
def test_a_type_has_the_fields_of_rest_in_capitals(name: str) -> None:
    kind: Any = SCHEMA.type_map[name]
    named = {to_camel(field) for field in REST_BY_TYPE[name].model_fields}
    extra = {"nextCursor"} if name == "PartConnection" else set()
    assert set(kind.fields) - MORE_FIELDS.get(name, set()) == named - extra


@pytest.mark.parametrize("name", [name for name in REST_BY_TYPE if not name.endswith(("Connection", "Input"))])
def test_a_field_is_never_null_where_rest_always_has_it(name: str) -> None:
    kind: Any = SCHEMA.type_map[name]
    for field, definition in REST_BY_TYPE[name].model_fields.items():
        is_resolved = (name, to_camel(field)) in RESOLVERS
        always = definition.is_required() and "None" not in str(definition.annotation)
        # Two members of a union that disagree cannot be asked in one query.
        always &= name not in FOUND or field not in ("label", "track_id")
        assert is_non_null_type(kind.fields[to_camel(field)].type) is (always and not is_resolved), field


@pytest.mark.parametrize("place", ARGUMENTS, ids=".".join)
def test_a_list_takes_what_rest_takes(place: tuple[str, str]) -> None:
    kind: Any = SCHEMA.type_map[place[0]]
    named = {to_camel(field.alias or name) for name, field in ARGUMENTS[place].model_fields.items()}
    assert set(kind.fields[place[1]].args) - {"jobId", "otherJobId"} == named


def test_a_diff_takes_what_rest_takes() -> None:
    kind: Any = SCHEMA.type_map["Query"]
    named = {to_camel(name) for name in diff_schemas.DiffQuery.model_fields}
    assert set(kind.fields["jobDiff"].args) == named | {"jobId", "otherJobId"}


def test_every_list_that_can_grow_is_cut_into_pages() -> None:
    paged = {
        (name, field)
        for name, kind in own_types().items()
        if isinstance(kind, GraphQLObjectType)
        for field, definition in kind.fields.items()
        if get_named_type(definition.type).name.endswith("Connection") and name != "Mutation"
    }
    assert paged == set(PAGE_LIMITS_BY_FIELD)
    assert {place for place in paged if "limit" in SCHEMA.type_map[place[0]].fields[place[1]].args} == set(ARGUMENTS)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "values"),
    [("VideoState", VideoState), ("JobState", JobState), ("SegmentState", UnitState), ("JobEventKind", JobEventKind)],
)
def test_an_enum_has_the_values_of_the_domain(name: str, values: Any) -> None:
    kind = SCHEMA.type_map[name]
    assert isinstance(kind, GraphQLEnumType)
    assert list(kind.values) == [str(value) for value in values]


def test_names_go_there_and_back() -> None:
    for model in REST_BY_TYPE.values():
        for name in model.model_fields:
            assert to_snake(to_camel(name)) == name


def test_json_is_where_rest_has_free_objects_and_nowhere_else() -> None:
    found = {
        to_snake(field)
        for name, kind in own_types().items()
        if isinstance(kind, GraphQLObjectType | GraphQLInputObjectType)
        for field, definition in kind.fields.items()
        if get_named_type(definition.type).name == "AWSJSON"
    }
    assert found == OPAQUE


def test_only_the_service_may_publish_and_clients_may_read_what_it_publishes() -> None:
    for (type_name, field), modes in SDL.modes_by_field.items():
        is_published = type_name in ("JobEvent", "Error", "LabelCount")
        is_internal = (type_name, field) in RESOLVERS and RESOLVERS[type_name, field].is_internal
        expected = {IAM} if is_internal else {IAM, COGNITO} if is_published else {COGNITO}
        assert modes == expected, (type_name, field)


def test_what_is_published_has_every_field_that_a_subscriber_may_select() -> None:
    for kind in JobEventKind:
        assert validate(SCHEMA, parse(publication(MUTATION_BY_KIND[kind]))) == []
    event: Any = SCHEMA.type_map["JobEvent"]
    selected = parse(f"{{ {EVENT_FIELDS} }}").definitions[0].selection_set.selections  # type: ignore[attr-defined]
    assert {node.name.value for node in selected} == set(event.fields)
    for node in selected:
        told: Any = get_named_type(event.fields[node.name.value].type)
        if not is_leaf_type(told):
            assert {inner.name.value for inner in node.selection_set.selections} == set(told.fields)


def test_what_is_put_in_to_publish_is_what_comes_out() -> None:
    for name in ("JobEvent", "Error", "LabelCount"):
        given: Any = SCHEMA.type_map[f"{name}Input"]
        told: Any = SCHEMA.type_map[name]
        as_told = {field: str(definition.type).replace("Input", "") for field, definition in given.fields.items()}
        assert as_told == {field: str(definition.type) for field, definition in told.fields.items()}


def test_a_subscription_gives_what_its_mutations_give_and_filters_by_its_fields() -> None:
    fields: Any = SCHEMA.subscription_type and SCHEMA.subscription_type.fields
    mutations: Any = SCHEMA.mutation_type and SCHEMA.mutation_type.fields
    for name, fed_by in SDL.mutations_by_subscription.items():
        assert fed_by
        for mutation in fed_by:
            assert get_named_type(mutations[mutation].type) is get_named_type(fields[name].type)
        assert set(fields[name].args) <= set(get_named_type(fields[name].type).fields)


def test_a_query_may_ask_for_every_field_of_every_member_of_a_union() -> None:
    (union,) = [kind for kind in own_types().values() if isinstance(kind, GraphQLUnionType)]
    assert {member.name for member in union.types} == set(TYPE_BY_KIND.values())
    parts = []
    for member in union.types:
        leaves = [name for name, field in member.fields.items() if is_leaf_type(get_named_type(field.type))]
        parts.append(f"... on {member.name} {{ {' '.join(leaves)} }}")
    assert validate(SCHEMA, parse(f'{{ search(q: "x") {{ items {{ {" ".join(parts)} }} }} }}')) == []


def test_the_resolver_code_hands_on_all_that_an_answer_has() -> None:
    code = WIRING.graphql.resolver_code_path.read_text(encoding="utf-8")
    assert set(re.findall(r"ctx\.result\.(\w+)", code)) == {"data", "errorType", "errorMessage", "errorInfo"}
    assert set(re.findall(r"^\s+(\w+): ctx\.", code, re.MULTILINE)) == {
        "arguments",
        "identity",
        "source",
        "request",
        "prev",
        "info",
        "stash",
    }
