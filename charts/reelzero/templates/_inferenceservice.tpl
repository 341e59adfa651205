{{/*
One InferenceService. Call with (dict "root" $ "lane" lane "grpc" false).

Custom predictor of KServe in its Knative mode. Everything security is on the container, since Knative
allows it there without feature flags. No startupProbe: it would turn off Knative's fast probing.
*/}}
{{- define "reelzero.inferenceService" -}}
{{- $root := .root }}{{ $lane := .lane }}
{{- $labels := include "reelzero.inferenceLabels" . }}
{{- $own := include "reelzero.inferenceAnnotations" . }}
{{- include "reelzero.checkPredictor" (list . $labels $own) }}
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {{ $lane.service }}
  labels: {{- $labels | nindent 4 }}
  annotations:
    {{- $own | nindent 4 }}
    {{- with $lane.annotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  predictor:
    timeout: {{ $lane.times.timeout }}
    containerConcurrency: 1
    minReplicas: {{ $lane.minReplicas }}
    maxReplicas: {{ ternary $lane.grpcMaxReplicas $lane.maxReplicas .grpc }}
    scaleMetric: concurrency
    scaleTarget: 1
    {{- with $lane.podLabels }}
    labels: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- include "reelzero.predictorPod" . | nindent 4 }}
{{- end }}

{{- define "reelzero.inferenceLabels" -}}
{{ include "reelzero.predictorLabels" . }}
networking.knative.dev/visibility: cluster-local
{{- end }}

{{- define "reelzero.inferenceAnnotations" -}}
{{- $lane := .lane -}}
serving.kserve.io/deploymentMode: Knative
serving.knative.dev/progress-deadline: {{ printf "%ds" (int $lane.times.progressDeadline) }}
# Without it Go's HTTP server in queue-proxy can cut a stream that begins while the request is still read.
features.knative.dev/http-full-duplex: Enabled
autoscaling.knative.dev/target-utilization-percentage: "100"
autoscaling.knative.dev/target-burst-capacity: "-1"
autoscaling.knative.dev/initial-scale: {{ max (int $lane.initialScale) (int $lane.minReplicas) | quote }}
autoscaling.knative.dev/window: {{ printf "%ds" (int $lane.stableWindowSeconds) }}
autoscaling.knative.dev/scale-to-zero-pod-retention-period: {{ printf "%ds" (int $lane.keepWarmSeconds) }}
{{- if gt (int $lane.minReplicas) 0 }}
# `reelzero doctor` warns of GPUs that are held while there is no job, unless this says that it is meant.
reelzero.dev/always-on: {{ $lane.minReplicas | quote }}
{{- end }}
{{ include "reelzero.predictorAnnotations" . }}
{{- end }}
