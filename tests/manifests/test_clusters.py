"""Clusters unlike the one of the defaults: what their values change in the objects."""

from __future__ import annotations

from typing import Any

import pytest

from config.render import render
from tests.manifests.test_policy import Body, of, pods
from tests.manifests.value_sets import ELSEWHERE, EXAMPLES, model, with_values

BODIES = render(ELSEWHERE)


def named(bodies: list[Body], kind: str, end: str) -> Body:
    (body,) = [body for body in of(bodies, kind) if body["metadata"]["name"].endswith(end)]
    return body


def environment(container: Body) -> dict[str, Any]:
    return {item["name"]: item.get("value") for item in container["env"]}


def ours() -> dict[str, Body]:
    """The pods that run our code, by their object's name."""
    return {name: pod for name, pod in pods(BODIES) if "test" not in name and "cache" not in name}


@pytest.mark.parametrize("name", ["reelzero-eventing", "reelzero-cogvideox-2b"])
def test_a_pod_goes_through_the_proxy_and_trusts_the_bundle(name: str) -> None:
    pod = ours()[name]
    for container in pod.get("initContainers", []) + pod["containers"]:
        env = environment(container)
        assert (env["HTTP_PROXY"], env["HTTPS_PROXY"]) == ("", "http://proxy.corp:3128")
        assert env["NO_PROXY"] == "localhost,127.0.0.1,.svc,.cluster.local,seaweedfs,.corp"
        mount = next(mount for mount in container["volumeMounts"] if mount["name"] == "ca")
        for variable in ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            assert env[variable] == mount["mountPath"] + "/ca.crt"
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "ca"]
    assert volume["configMap"] == {"name": "trust", "items": [{"key": "bundle.pem", "path": "ca.crt"}]}


@pytest.mark.parametrize("end", ["eventing", "predictor"])
def test_the_proxy_is_reached(end: str) -> None:
    def ports(bodies: list[Body]) -> set[int]:
        rules = named(bodies, "NetworkPolicy", end)["spec"]["egress"]
        return {port["port"] for rule in rules for port in rule.get("ports", [])}

    assert {3128, 8080} <= ports(BODIES)
    assert not {3128, 8080} & ports(render(model()))


def test_without_these_values_no_pod_has_them() -> None:
    for _, pod in pods(render(model())):
        for container in pod["containers"]:
            names = {item["name"] for item in container.get("env", [])}
            assert not names & {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "AWS_CA_BUNDLE"}
        assert not [volume for volume in pod.get("volumes", []) if volume["name"] == "ca"]


@pytest.mark.parametrize("name", ["reelzero-eventing", "reelzero-cogvideox-2b"])
def test_variables_volumes_and_mounts_are_added(name: str) -> None:
    pod = ours()[name]
    container = pod["containers"][0]
    assert environment(container)["EXTRA"] == "1"
    assert {"name": "more", "mountPath": "/more"} in container["volumeMounts"]
    assert {"name": "more", "emptyDir": {"sizeLimit": "1Mi"}} in pod["volumes"]


def test_labels_reach_the_pods() -> None:
    predictor = named(BODIES, "InferenceService", "cogvideox-2b")["spec"]["predictor"]
    assert predictor["labels"] == {"kueue.x-k8s.io/queue-name": "videos"}
    template = named(BODIES, "Deployment", "eventing")["spec"]["template"]
    assert template["metadata"]["labels"]["cost"] == "video"


def test_pods_are_placed() -> None:
    predictor = named(BODIES, "InferenceService", "cogvideox-2b")["spec"]["predictor"]
    eventing = named(BODIES, "Deployment", "eventing")["spec"]["template"]["spec"]
    assert predictor["affinity"] == eventing["affinity"] != {}
    assert predictor["priorityClassName"] == "gpu-jobs"
    (spread,) = predictor["topologySpreadConstraints"]
    labels = spread["labelSelector"]["matchLabels"]
    meta = named(BODIES, "InferenceService", "cogvideox-2b")["metadata"]["labels"]
    assert labels.items() <= meta.items()
    (spread,) = eventing["topologySpreadConstraints"]
    assert spread["labelSelector"] == {"matchLabels": {"mine": "yes"}}


def test_a_spread_counts_the_replicas_of_eventing_by_itself() -> None:
    body = named(render(with_values()), "Deployment", "eventing")
    (spread,) = body["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"] == body["spec"]["selector"]


def ports_of_dns(values: dict[str, Any]) -> set[int]:
    policy = named(render(values), "NetworkPolicy", "predictor")
    return {port["port"] for rule in policy["spec"]["egress"] if "to" not in rule for port in rule["ports"]}


def test_dns_also_on_openshift() -> None:
    assert ports_of_dns(model()) == {53, 5353}
    assert ports_of_dns(model() | {"networkPolicy": {"dnsPorts": [53]}}) == {53}


@pytest.mark.parametrize(
    ("identity", "servers"),
    [
        ("eks", {("169.254.170.23/32", 80), ("fd00:ec2::23/128", 80)}),
        ("gke", {("169.254.169.254/32", 80), ("169.254.169.252/32", 988)}),
        ("none", set()),
    ],
)
def test_pods_reach_the_server_of_their_identity(identity: str, servers: set[tuple[str, int]]) -> None:
    bodies = render(model() | {"networkPolicy": {"identity": identity}})
    for end in ("eventing", "predictor"):
        rules = named(bodies, "NetworkPolicy", end)["spec"]["egress"]
        reached = {(peer["ipBlock"]["cidr"], port["port"]) for rule in rules for port in rule.get("ports", [])
                   for peer in rule.get("to", []) if "ipBlock" in peer}  # fmt: skip
        assert {block for block in reached if block[0].startswith(("169.254", "fd00:ec2"))} == servers


def test_memory_and_disk_follow_from_the_model() -> None:
    def resources(**changes: Any) -> Body:
        values = with_values(models=[{"name": "cogvideox-5b"} | changes])
        (container,) = named(render(values), "InferenceService", "5b")["spec"]["predictor"]["containers"]
        body: Body = container["resources"]
        return body

    plain = resources()
    assert plain["limits"]["memory"] == plain["requests"]["memory"] == "32Gi"
    assert plain["requests"]["ephemeral-storage"] == "32Gi", "10 of scratch and 22 of weights"
    assert resources(storage={"uri": "pvc://weights/x"})["requests"]["ephemeral-storage"] == "10Gi"
    assert resources(scratchSize="1500Mi")["requests"]["ephemeral-storage"] == "24Gi"
    own = resources(resources={"requests": {"ephemeral-storage": "1Gi"}, "limits": {"memory": "64Gi"}})
    assert own["requests"]["ephemeral-storage"] == "1Gi"
    assert own["requests"]["memory"] == "64Gi"


@pytest.mark.parametrize("name", ["mochi-80gb", "k3s"])
def test_an_upgrade_on_one_card_waits_for_no_second_one(name: str) -> None:
    for body in of(render(EXAMPLES[name]), "InferenceService"):
        assert body["metadata"]["annotations"]["autoscaling.knative.dev/initial-scale"] == "0"
        assert body["spec"]["predictor"]["minReplicas"] == 0


def public_url(values: dict[str, Any]) -> Any:
    pod = named(render(values), "Deployment", "eventing")["spec"]["template"]["spec"]
    return environment(pod["containers"][0])["REELZERO_PUBLIC_URL"]


def test_an_ingress_has_tls_and_gives_the_public_address() -> None:
    values = with_values(ingress={"enabled": True, "host": "videos.example.org", "tlsSecretName": "tls"})
    bodies = render(values)
    spec = named(bodies, "Ingress", "eventing")["spec"]
    assert spec["tls"] == [{"hosts": ["videos.example.org"], "secretName": "tls"}]
    backend = spec["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = named(bodies, "Service", "eventing")
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"]["name"] == service["spec"]["ports"][0]["name"]
    assert public_url(values) == "https://videos.example.org"
    assert public_url(values | {"eventing": {"publicUrl": "https://x.org/v"}}) == "https://x.org/v"


def test_a_route_leads_from_the_gateway_to_the_api() -> None:
    gateways = [{"name": "public", "namespace": "gateways", "sectionName": "https"}]
    values = with_values(httpRoute={"enabled": True, "host": "videos.example.org", "gateways": gateways})
    spec = named(render(values), "HTTPRoute", "eventing")["spec"]
    assert spec["parentRefs"] == gateways
    assert spec["hostnames"] == ["videos.example.org"]
    assert spec["rules"] == [{"backendRefs": [{"name": "reelzero-eventing", "port": 80}]}]
    assert public_url(values) == "https://videos.example.org"


def test_nothing_is_exposed_by_default() -> None:
    assert not {body["kind"] for body in render(model())} & {"Ingress", "HTTPRoute"}


def test_a_load_balancer_may_reach_the_api() -> None:
    values = with_values(networkPolicy={"clientCidrs": ["35.191.0.0/16"]})
    (rule,) = named(render(values), "NetworkPolicy", "eventing")["spec"]["ingress"]
    assert {"ipBlock": {"cidr": "35.191.0.0/16"}} in rule["from"]


def test_rest_only_has_no_events() -> None:
    bodies = render(model() | {"events": {"enabled": False}})
    assert not [body for body in bodies if "eventing.knative.dev" in body["apiVersion"]]
    policy = named(bodies, "NetworkPolicy", "eventing")
    assert "knative-eventing" not in str(policy)


def test_dead_letters_go_where_the_operator_wants() -> None:
    sink = {"ref": {"apiVersion": "v1", "kind": "Service", "name": "letters", "namespace": "ops"}}
    assert [body["spec"]["delivery"]["deadLetterSink"] for body in of(BODIES, "Trigger")] == [sink] * 2
    assert named(BODIES, "Broker", "")["spec"]["delivery"]["deadLetterSink"] == sink


def test_monitors_have_the_labels_by_which_prometheus_selects() -> None:
    for body in (*of(BODIES, "PodMonitor"), *of(BODIES, "PrometheusRule")):
        assert body["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert named(BODIES, "ConfigMap", "dashboard")["metadata"]["labels"]["dashboards"] == "video"


def test_the_image_cache_holds_what_the_nodes_need() -> None:
    values = with_values(
        models=[
            {"name": "mochi-1-preview", "storage": {"uri": "oci://registry.corp/mochi:1"}},
            {"name": "wan2.1-t2v-1.3b"},
        ],
        imageCache={
            "enabled": True,
            "nodeSelector": {"pool": "gpu"},
            "tolerations": [{"operator": "Exists"}],
        },
        image={"predictor": {"repository": "registry.corp/predictor", "tag": "9"}},
    )
    spec = named(render(values), "DaemonSet", "image-cache")["spec"]["template"]["spec"]
    images = [container["image"] for container in spec["containers"]]
    assert images == ["registry.corp/predictor:9", "registry.corp/mochi:1"]
    assert spec["nodeSelector"] == {"pool": "gpu"}
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert "gpu" not in str([container["resources"] for container in spec["containers"]])
    assert not of(render(model()), "DaemonSet")
