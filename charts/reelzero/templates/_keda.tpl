{{/*
A lane whose pods KEDA starts: a Deployment, a headless Service and a ScaledObject, all of one name. There is no
KServe and no Knative in it. Why it is a Deployment: docs/decisions/0010-keda-scales-a-deployment.md.
*/}}

{{/* Stop at what works on Knative only. Call with (list $ lane). */}}
{{- define "reelzero.checkKeda" -}}
{{- $root := index . 0 }}{{ $lane := index . 1 }}
{{- if not (or $root.Values.keda.databaseSecretName $root.Values.keda.prometheusUrl) }}
{{- include "reelzero.fail" (list "keda" (printf "%s is scaled by KEDA, which has nothing to read: set databaseSecretName or prometheusUrl" $lane.name)) }}
{{- end }}
{{- if and $root.Values.keda.prometheusUrl (eq $root.Values.metrics.scrape "none") }}
{{- include "reelzero.fail" (list "keda.prometheusUrl" "KEDA would find no number there: metrics.scrape is none, and the network policy keeps Prometheus out; set it to podMonitor or annotations") }}
{{- end }}
{{- if $root.Values.grpc.enabled }}
{{- include "reelzero.fail" (list "grpc.enabled" (printf "gRPC services are scaled by Knative, but %s has scaler keda; switch one of them off" $lane.name)) }}
{{- end }}
{{- if not (regexMatch "^(|pvc://.+)$" $lane.storage.uri) }}
{{- include "reelzero.fail" (list (printf "%s.storage.uri" $lane.at) (printf "%s would be fetched by KServe, which is not there with scaler keda: use pvc://, storage.path, or leave it empty and the predictor downloads from Hugging Face" $lane.storage.uri)) }}
{{- end }}
{{- if and $lane.storage.uri (or (has ".." (splitList "/" $lane.storage.uri)) (not (regexMatch "^pvc://[a-z0-9]([-.a-z0-9]*[a-z0-9])?(/|$)" $lane.storage.uri))) }}
{{- include "reelzero.fail" (list (printf "%s.storage.uri" $lane.at) (printf "%s names no folder of a claim; write pvc://CLAIM or pvc://CLAIM/FOLDER" $lane.storage.uri)) }}
{{- end }}
{{- end }}

{{/* Whether the predictor downloads its weights itself, to the scratch volume. Call with a lane. */}}
{{- define "reelzero.downloads" -}}
{{- if and (eq .scaler "keda") (not .storage.path) (not .storage.uri) (not .entry.bundled) (not .entry.engine) }}true{{ end }}
{{- end }}

{{- define "reelzero.kedaWeightsEnv" -}}
{{- $lane := .lane }}
{{- if $lane.storage.uri }}
- { name: REELZERO_MODEL_DIR, value: /mnt/models }
{{- else if include "reelzero.downloads" $lane }}
{{- if not (hasKey $lane.settings "allow_download") }}
- { name: REELZERO_ALLOW_DOWNLOAD, value: "true" }
{{- end }}
{{- with .root.Values.storage.secretName }}
- name: HF_TOKEN
  valueFrom: { secretKeyRef: { name: {{ . | quote }}, key: HF_TOKEN, optional: true } }
{{- end }}
{{- end }}
{{- end }}

{{/* Claim and folder of pvc://claim/folder, where KServe does not mount it. Call with a lane. */}}
{{- define "reelzero.claimName" -}}
{{- if and (eq .scaler "keda") .storage.uri }}{{ first (splitList "/" (trimPrefix "pvc://" .storage.uri)) }}{{ end }}
{{- end }}

{{- define "reelzero.claimFolder" -}}
{{- rest (splitList "/" (trimPrefix "pvc://" .storage.uri)) | join "/" | trimSuffix "/" }}
{{- end }}

{{- define "reelzero.kedaDeployment" -}}
{{- $root := .root }}{{ $lane := .lane }}
{{- $labels := include "reelzero.kedaLabels" . }}{{ $own := include "reelzero.predictorAnnotations" . }}
{{- include "reelzero.checkPredictor" (list . $labels $own) }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $lane.service }}-predictor
  labels: {{- $labels | nindent 4 }}
spec:
  # No replicas: KEDA sets them, and an upgrade must not. A new Deployment starts with one pod.
  selector:
    matchLabels: {{- include "reelzero.kedaSelector" . | nindent 6 }}
  # A new pod may need the card of an old one, which finishes its job first.
  strategy:
    rollingUpdate: { maxSurge: 0, maxUnavailable: 1 }
  progressDeadlineSeconds: {{ $lane.times.progressDeadline }}
  template:
    metadata:
      labels:
        {{- $labels | nindent 8 }}
        {{- with $lane.podLabels }}{{ toYaml . | nindent 8 }}{{ end }}
      annotations:
        {{- $own | nindent 8 }}
        {{- with $lane.annotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec:
      enableServiceLinks: false
      # preStop, then the running job to its end: as long as Knative gives a pod.
      terminationGracePeriodSeconds: {{ $lane.times.timeout }}
      {{- include "reelzero.predictorPod" . | nindent 6 }}
{{- end }}

{{- define "reelzero.kedaService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .lane.service }}-predictor
  labels: {{- include "reelzero.kedaLabels" . | nindent 4 }}
spec:
  # Its name has an address per ready pod. The dispatcher takes one for each job.
  clusterIP: None
  selector: {{- include "reelzero.kedaSelector" . | nindent 4 }}
  ports:
    - { name: http, port: 8080, targetPort: 8080, protocol: TCP }
{{- end }}

{{/*
Pods for all jobs that have not ended. So there is one for each running job as long as it runs. Of a model that does not
start (an open circuit) only the probe counts, which is a running job too.
*/}}
{{- define "reelzero.scaledObject" -}}
{{- $root := .root }}{{ $lane := .lane }}{{ $keda := $root.Values.keda }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ $lane.service }}-predictor
  labels: {{- include "reelzero.kedaLabels" . | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ $lane.service }}-predictor }
  pollingInterval: 5
  # From the end of the last job until the last pod goes.
  cooldownPeriod: {{ add $lane.stableWindowSeconds $lane.keepWarmSeconds }}
  minReplicaCount: {{ $lane.minReplicas }}
  maxReplicaCount: {{ $lane.maxReplicas }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown: { stabilizationWindowSeconds: {{ $lane.stableWindowSeconds }} }
  triggers:
    {{- if $keda.databaseSecretName }}
    - type: postgresql
      metadata:
        query: {{ include "reelzero.kedaSql" $lane | quote }}
        targetQueryValue: "1"
      authenticationRef: { name: {{ include "reelzero.fullname" $root }}-keda }
    {{- end }}
    {{- with $keda.prometheusUrl }}
    - type: prometheus
      metadata:
        serverAddress: {{ . | quote }}
        query: {{ include "reelzero.kedaPromql" (list $root $lane) | quote }}
        threshold: "1"
        # No answer is no zero: with it the pods stay.
        ignoreNullValues: "false"
    {{- end }}
{{- end }}

{{- define "reelzero.kedaSql" -}}
{{- $route := printf "model = '%s' AND lane = '%s'" .name .lane -}}
SELECT count(*) FROM jobs WHERE {{ $route }} AND (status = 'in_progress' OR status = 'queued' AND NOT EXISTS (SELECT 1 FROM model_state WHERE {{ $route }} AND failures >= 3))
{{- end }}

{{- define "reelzero.kedaPromql" -}}
{{- $root := index . 0 }}{{ $lane := index . 1 }}
{{- $of := printf "namespace=%q, pod=~\"%s-eventing-.+\", model=%q, lane=%q" $root.Release.Namespace (include "reelzero.fullname" $root) $lane.name $lane.lane -}}
max(reelzero_jobs{ {{- $of }}, status="in_progress"}) + max(reelzero_jobs{ {{- $of }}, status="queued"}) * (1 - max(reelzero_model_paused{ {{- $of -}} }))
{{- end }}

{{/* The pods that KEDA starts. Knative's pods of the same lane, which exist while a model moves over, are not among them. */}}
{{- define "reelzero.kedaSelector" -}}
{{ include "reelzero.selector" (list .root "predictor") }}
reelzero.dev/model: {{ .lane.name }}
reelzero.dev/lane: {{ .lane.lane }}
reelzero.dev/scaler: keda
{{- end }}

{{- define "reelzero.kedaLabels" -}}
{{ include "reelzero.predictorLabels" . }}
reelzero.dev/scaler: keda
{{- end }}
