{{/*
One Knative Service of steps. Call with (list $ service). The runner is in the image of steps; another image gets it
from a ConfigMap and needs python3 only.
*/}}
{{- define "reelzero.stepService" -}}
{{- $root := index . 0 }}{{ $service := index . 1 }}
{{- $labels := include "reelzero.stepLabels" . }}{{ $own := include "reelzero.stepAnnotations" . }}{{ $env := include "reelzero.stepEnv" . }}
{{- include "reelzero.checkTaken" (list (printf "%s.podLabels" $service.at) ($labels | fromYaml) $service.podLabels) }}
{{- include "reelzero.checkAnnotations" (list (printf "%s.annotations" $service.at) ($own | fromYaml) $service.annotations) }}
{{- include "reelzero.checkEnv" (list (printf "%s.extraEnv" $service.at) ($env | fromYamlArray) $service.extraEnv) }}
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: {{ $service.service }}
  labels:
    {{- $labels | nindent 4 }}
    networking.knative.dev/visibility: cluster-local
spec:
  template:
    metadata:
      labels:
        {{- $labels | nindent 8 }}
        {{- with $service.podLabels }}{{ toYaml . | nindent 8 }}{{ end }}
      annotations:
        {{- $own | nindent 8 }}
        {{- with $service.annotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec:
      timeoutSeconds: {{ $service.times.timeout }}
      responseStartTimeoutSeconds: {{ $service.times.timeout }}
      containerConcurrency: {{ $service.concurrency }}
      serviceAccountName: {{ include "reelzero.fullname" $root }}-steps
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with include "reelzero.pullSecrets" $root }}{{ . | nindent 6 }}{{ end }}
      {{- with include "reelzero.placement" (list $service (dict "reelzero.dev/steps" $service.name)) }}{{ . | nindent 6 }}{{ end }}
      containers:
        - name: steps
          image: {{ default (include "reelzero.image" (list $root $root.Values.image.steps)) $service.image }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          {{- if $service.image }}
          command: [python3, /opt/reelzero/runner]
          {{- end }}
          ports:
            - { name: http1, containerPort: 8080, protocol: TCP }
          env:
            {{- $env | nindent 12 }}
            {{- with $service.extraEnv }}{{ toYaml . | nindent 12 }}{{ end }}
          readinessProbe:
            httpGet: { path: /v2/health/ready, port: 8080 }
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 3
          livenessProbe:
            httpGet: { path: /v2/health/live, port: 8080 }
            initialDelaySeconds: 30
            periodSeconds: 15
            timeoutSeconds: 5
            failureThreshold: 4
          securityContext: {{- include "reelzero.containerSecurity" $root | nindent 12 }}
          resources: {{- include "reelzero.stepsResources" $service | nindent 12 }}
          volumeMounts:
            - { name: scratch, mountPath: /scratch }
            - { name: cache, mountPath: /cache }
            {{- if and $root.Values.mark.enabled $root.Values.mark.secretName (not $service.image) }}
            - { name: mark, mountPath: /etc/reelzero/mark, readOnly: true }
            {{- end }}
            {{- if $service.image }}
            - { name: runner, mountPath: /opt/reelzero/runner, readOnly: true }
            {{- end }}
            {{- with include "reelzero.extraMounts" (list $root $service) }}{{ . | nindent 12 }}{{ end }}
      volumes:
        - { name: scratch, emptyDir: { sizeLimit: {{ $service.scratchSize }} } }
        - { name: cache, emptyDir: { sizeLimit: {{ $service.cacheSize }} } }
        {{- if and $root.Values.mark.enabled $root.Values.mark.secretName (not $service.image) }}
        - { name: mark, secret: { secretName: {{ $root.Values.mark.secretName }} } }
        {{- end }}
        {{- if $service.image }}
        - name: runner
          configMap: {{- include "reelzero.runnerFiles" $root | nindent 12 }}
        {{- end }}
        {{- with include "reelzero.extraVolumes" (list $root $service) }}{{ . | nindent 8 }}{{ end }}
{{- end }}

{{- define "reelzero.stepLabels" -}}
{{ include "reelzero.podLabels" (list (index . 0) "steps") }}
reelzero.dev/steps: {{ (index . 1).name }}
{{- end }}

{{- define "reelzero.stepAnnotations" -}}
{{- $service := index . 1 -}}
serving.knative.dev/progress-deadline: {{ printf "%ds" (int $service.times.progressDeadline) }}
# Without it Go's HTTP server in queue-proxy can cut a stream that begins while the request is still read.
features.knative.dev/http-full-duplex: Enabled
autoscaling.knative.dev/metric: concurrency
autoscaling.knative.dev/target: {{ $service.concurrency | quote }}
autoscaling.knative.dev/target-utilization-percentage: "100"
autoscaling.knative.dev/target-burst-capacity: "-1"
autoscaling.knative.dev/min-scale: {{ $service.minReplicas | quote }}
autoscaling.knative.dev/max-scale: {{ $service.maxReplicas | quote }}
autoscaling.knative.dev/initial-scale: {{ max (int $service.initialScale) (int $service.minReplicas) | quote }}
autoscaling.knative.dev/window: {{ printf "%ds" (int $service.stableWindowSeconds) }}
autoscaling.knative.dev/scale-to-zero-pod-retention-period: {{ printf "%ds" (int $service.keepWarmSeconds) }}
{{- if gt (int $service.minReplicas) 0 }}
# `reelzero doctor` warns of GPUs that are held while there is no job, unless this says that it is meant.
reelzero.dev/always-on: {{ $service.minReplicas | quote }}
{{- end }}
# A step is worth more than a tidy node: neither autoscaler may move a pod that lives only while it works.
cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
karpenter.sh/do-not-disrupt: "true"
{{- end }}

{{/* No keys: each attempt brings signed addresses for its own files. */}}
{{- define "reelzero.stepEnv" -}}
{{- $root := index . 0 }}{{ $service := index . 1 }}
- { name: REELZERO_STEPS, value: {{ $service.commands | toJson | quote }} }
- { name: REELZERO_SLOTS, value: {{ $service.concurrency | quote }} }
- { name: REELZERO_SCRATCH_DIR, value: /scratch }
- { name: REELZERO_CACHE_DIR, value: /cache }
# Room for the file that is being copied into it.
- { name: REELZERO_CACHE_BYTES, value: {{ divf (include "reelzero.number" $service.cacheSize | float64) 2 | floor | int64 | quote }} }
- { name: REELZERO_OUTPUT_BYTES, value: {{ divf (include "reelzero.number" $service.scratchSize | float64) (mulf 2 $service.concurrency) | floor | int64 | quote }} }
# The root is read-only: whatever a command wants to keep goes to scratch.
- { name: HOME, value: /scratch }
- { name: TMPDIR, value: /scratch }
{{- if not $service.image }}
{{- include "reelzero.markEnv" (omit $root.Values.mark "prompts") }}
{{- end }}
{{- with $root.Values.predictorToken }}
{{- if .secretName }}
- name: REELZERO_PREDICTOR_TOKEN
  valueFrom: { secretKeyRef: { name: {{ .secretName | quote }}, key: {{ .secretKey | quote }} } }
{{- end }}
{{- end }}
{{- include "reelzero.proxyEnv" $root }}
{{- include "reelzero.caEnv" $root }}
{{- end }}

{{/* The ConfigMap of the runner as a folder that Python runs. */}}
{{- define "reelzero.runnerFiles" -}}
name: {{ include "reelzero.fullname" . }}-runner
items:
  - { key: __main__.py, path: __main__.py }
  - { key: __init__.py, path: steps/__init__.py }
  {{- range $name, $_ := .Files.Get "files/runner.yaml" | fromYaml }}
  - { key: {{ $name }}, path: steps/runner/{{ $name }} }
  {{- end }}
{{- end }}
