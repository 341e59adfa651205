"""Name what `reelzero doctor --live` reads of a cluster. The chart's Role grants these and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from eventing.doctor.objects.manifests import SERVING


@dataclass(frozen=True)
class Resource:
    """One kind of object, by the name that the API has for it."""

    kind: str
    plural: str
    group: str  # empty for the core group
    version: str = "v1"

    @property
    def api_version(self) -> str:
        """Return group and version as an object has them."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass(frozen=True)
class Single:
    """One object by its name, in a namespace that is not ours."""

    resource: Resource
    namespace: str
    name: str


DEPLOYMENT = Resource("Deployment", "deployments", "apps")
CONFIG_MAP = Resource("ConfigMap", "configmaps", "")
EVERYWHERE = (
    Resource("InferenceService", "inferenceservices", "serving.kserve.io", "v1beta1"),
    Resource("Service", "services", "serving.knative.dev"),
    Resource("Broker", "brokers", "eventing.knative.dev"),
    Resource("Trigger", "triggers", "eventing.knative.dev"),
    Resource("SinkBinding", "sinkbindings", "sources.knative.dev"),
    DEPLOYMENT,
)  # read in all namespaces, to find out which of them are ours
WHERE_OURS = (
    CONFIG_MAP,
    Resource("Service", "services", ""),
    Resource("ServiceAccount", "serviceaccounts", ""),
    Resource("ResourceQuota", "resourcequotas", ""),
    Resource("NetworkPolicy", "networkpolicies", "networking.k8s.io"),
    Resource("PodDisruptionBudget", "poddisruptionbudgets", "policy"),
    Resource("HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling", "v2"),
    Resource("ScaledObject", "scaledobjects", "keda.sh", "v1alpha1"),
    Resource("PrometheusRule", "prometheusrules", "monitoring.coreos.com"),
)  # read only in namespaces where something of ours is
SINGLE = (
    Single(CONFIG_MAP, SERVING, "config-defaults"),
    Single(CONFIG_MAP, SERVING, "config-autoscaler"),
    Single(CONFIG_MAP, SERVING, "config-features"),
    Single(CONFIG_MAP, SERVING, "config-deployment"),
    Single(CONFIG_MAP, SERVING, "config-domain"),
    Single(CONFIG_MAP, SERVING, "config-network"),
    Single(DEPLOYMENT, SERVING, "activator"),
    Single(CONFIG_MAP, "kserve", "inferenceservice-config"),
)
