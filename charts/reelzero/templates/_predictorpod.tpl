{{/*
The pod of a predictor, of whatever kind of workload. Call each with (dict "root" $ "lane" lane "grpc" false).
*/}}
{{- define "reelzero.predictorLabels" -}}
{{ include "reelzero.podLabels" (list .root "predictor") }}
reelzero.dev/model: {{ .lane.name }}
reelzero.dev/lane: {{ ternary "grpc" .lane.lane .grpc }}
{{- end }}

{{- define "reelzero.predictorAnnotations" -}}
# A job is worth more than a tidy node: neither autoscaler may move a pod that lives only while it works.
cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
karpenter.sh/do-not-disrupt: "true"
# A pod reads its entry once, when it starts: a changed one needs new pods.
reelzero.dev/catalog: {{ printf "%s%s" (include "reelzero.catalogEntry" .lane) (include "reelzero.loras" (list .root .lane.name)) | sha256sum }}
{{- with include "reelzero.scrapeAnnotations" .root }}{{ . | trim | nindent 0 }}{{ end }}
{{- end }}

{{/* Stop if what the values add is taken. Call with (list call labels annotations). */}}
{{- define "reelzero.checkPredictor" -}}
{{- $call := index . 0 }}{{ $lane := $call.lane }}{{ $labels := index . 1 }}{{ $own := index . 2 }}
{{- include "reelzero.checkTaken" (list (printf "%s.podLabels" $lane.at) ($labels | fromYaml) $lane.podLabels) }}
{{- include "reelzero.checkEnv" (list (printf "%s.extraEnv" $lane.at) (include "reelzero.predictorEnv" $call | fromYamlArray) $lane.extraEnv) }}
{{- include "reelzero.checkVolumes" (list $lane.at (list "shm" "scratch" "catalog" "ca" "mark" "weights") $lane) }}
{{- include "reelzero.checkAnnotations" (list (printf "%s.annotations" $lane.at) ($own | fromYaml) $lane.annotations) }}
{{- include "reelzero.checkResources" (list (printf "%s.resources" $lane.at) (include "reelzero.resources" $lane | fromYaml) (list "cpu" "memory")) }}
{{- include "reelzero.checkSidecars" $lane }}
{{- include "reelzero.checkDevice" (list $lane.at (set (deepCopy $lane) "resources" (include "reelzero.resources" $lane | fromYaml))) }}
{{- end }}

{{- define "reelzero.predictorPod" -}}
{{- $root := .root }}{{ $lane := .lane -}}
serviceAccountName: {{ include "reelzero.fullname" $root }}-predictor
automountServiceAccountToken: false
{{- with include "reelzero.pullSecrets" $root }}{{ . | nindent 0 }}{{ end }}
{{- with include "reelzero.placement" (list $lane (dict "reelzero.dev/model" $lane.name "reelzero.dev/lane" (ternary "grpc" $lane.lane .grpc))) }}{{ . | nindent 0 }}{{ end }}
containers:
  - name: {{ ternary "predictor" "kserve-container" (eq $lane.scaler "keda") }}
    image: {{ include "reelzero.image" (list $root $root.Values.image.predictor) }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: [--http_port, "8080", --grpc_port, "8081", --enable_grpc, {{ .grpc | quote }}]
    ports:
      - {{ ternary "{ name: h2c, containerPort: 8081, protocol: TCP }" "{ name: http1, containerPort: 8080, protocol: TCP }" .grpc }}
    env:
      {{- include "reelzero.predictorEnv" . | nindent 6 }}
      {{- with $lane.extraEnv }}{{ toYaml . | nindent 6 }}{{ end }}
    readinessProbe:
      httpGet: { path: /v2/models/{{ $lane.name }}/ready, port: 8080 }
      periodSeconds: 2
      timeoutSeconds: 2
      failureThreshold: 3
    livenessProbe:
      # The process answers, whatever the model does; loading and generating happen in another thread. Knative
      # lets readiness ask another port, but liveness only the container's own, which may speak gRPC alone.
      {{ ternary "tcpSocket: { port: 8081 }" "httpGet: { path: /v2/health/live, port: 8080 }" .grpc }}
      initialDelaySeconds: 30
      periodSeconds: 15
      timeoutSeconds: 5
      failureThreshold: 4
    securityContext: {{- include "reelzero.containerSecurity" $root | nindent 6 }}
    resources: {{- include "reelzero.predictorResources" $lane | nindent 6 }}
    {{- if eq $lane.scaler "keda" }}
    # Name servers may give the address of a stopping pod for some seconds.
    lifecycle: { preStop: { exec: { command: [sleep, "10"] } } }
    {{- end }}
    volumeMounts:
      - { name: shm, mountPath: /dev/shm }
      - { name: scratch, mountPath: /scratch }
      - { name: catalog, mountPath: /etc/reelzero/catalog, readOnly: true }
      {{- if and $root.Values.mark.enabled $root.Values.mark.secretName }}
      - { name: mark, mountPath: /etc/reelzero/mark, readOnly: true }
      {{- end }}
      {{- if include "reelzero.claimName" $lane }}
      - { name: weights, mountPath: /mnt/models, readOnly: true, subPath: {{ include "reelzero.claimFolder" $lane | quote }} }
      {{- end }}
      {{- with include "reelzero.extraMounts" (list $root $lane) }}{{ . | nindent 6 }}{{ end }}
  {{- with $lane.sidecars }}{{ toYaml . | nindent 2 }}{{ end }}
volumes:
  - { name: shm, emptyDir: { medium: Memory, sizeLimit: {{ $lane.shmSize }} } }
  - { name: scratch, emptyDir: { sizeLimit: {{ include "reelzero.scratch" $lane }} } }
  - { name: catalog, configMap: { name: {{ include "reelzero.fullname" $root }}-catalog } }
  {{- if and $root.Values.mark.enabled $root.Values.mark.secretName }}
  - { name: mark, secret: { secretName: {{ $root.Values.mark.secretName }} } }
  {{- end }}
  {{- with include "reelzero.claimName" $lane }}
  - { name: weights, persistentVolumeClaim: { claimName: {{ . }}, readOnly: true } }
  {{- end }}
  {{- with include "reelzero.extraVolumes" (list $root $lane) }}{{ . | nindent 2 }}{{ end }}
{{- end }}

{{- define "reelzero.predictorEnv" -}}
{{- $lane := .lane }}
- { name: REELZERO_MODEL, value: {{ $lane.name | quote }} }
{{- if $lane.storage.path }}
- { name: REELZERO_MODEL_DIR, value: {{ $lane.storage.path | quote }} }
{{- else if eq $lane.scaler "keda" }}
{{- include "reelzero.kedaWeightsEnv" . }}
{{- else if or $lane.storage.uri (not (or $lane.entry.bundled $lane.entry.engine)) }}
# KServe's webhook sees this name, fetches the weights before the container starts, and mounts them.
- { name: STORAGE_URI, value: {{ default (printf "hf://%s:%s" (default "" $lane.entry.repository) $lane.entry.revision) $lane.storage.uri | quote }} }
- { name: REELZERO_MODEL_DIR, value: /mnt/models }
{{- end }}
- { name: REELZERO_DEVICE, value: {{ ternary "cuda" "cpu" (gt (int $lane.gpus) 0) | quote }} }
- { name: REELZERO_SCRATCH_DIR, value: /scratch }
# The root is read-only: whatever a library wants to keep goes to scratch.
- { name: HOME, value: /scratch }
- { name: TMPDIR, value: /scratch }
{{- include "reelzero.markEnv" .root.Values.mark }}
{{ include "reelzero.sharedEnv" .root | trim }}
{{- include "reelzero.settingsEnv" $lane.settings }}
{{- end }}

{{/* How the predictor marks its videos. */}}
{{- define "reelzero.markEnv" -}}
{{- if not .enabled }}
- { name: REELZERO_MARK, value: "off" }
{{- else }}
{{- if .secretName }}
- { name: REELZERO_MARK_CERTIFICATE, value: /etc/reelzero/mark/tls.crt }
- { name: REELZERO_MARK_KEY, value: /etc/reelzero/mark/tls.key }
{{- end }}
{{- if .prompts }}
- { name: REELZERO_MARK_PROMPTS, value: "true" }
{{- end }}
{{- end }}
{{- end }}

{{/* The container's resources with its GPUs, which must be requested and limited alike. */}}
{{- define "reelzero.predictorResources" -}}
{{- $resources := include "reelzero.resources" . | fromYaml }}
{{- if gt (int .gpus) 0 }}
{{- $gpus := dict .gpuResource (toString .gpus) }}
{{- $resources = mergeOverwrite $resources (dict "requests" $gpus "limits" $gpus) }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{/*
CPU, memory and disk of a predictor. What the values leave open comes from the catalog: the memory that the model
needs to load, in one process a GPU, and room on the node's disk for the scratch volume and for weights that are copied there.
*/}}
{{- define "reelzero.resources" -}}
{{- $limits := default dict (deepCopy .resources).limits }}{{ $requests := default dict (deepCopy .resources).requests }}
{{- $memory := mul (int (default 16 .entry.memory_gib)) (max 1 (int .gpus)) }}
{{- $_ := set $limits "memory" (default (printf "%dGi" $memory) $limits.memory) }}
{{- $_ := set $requests "memory" (default $limits.memory $requests.memory) }}
{{- $copied := and (not .storage.path) (regexMatch "^(s3|gs|hf|https?)://" (default (ternary "" "hf://" (or (hasKey .entry "bundled") (hasKey .entry "engine"))) .storage.uri)) }}
{{- $weights := ternary (int (default 0 .entry.weights_gib)) 0 $copied }}
{{- if not (index $requests "ephemeral-storage") }}
{{- $scratch := divf (include "reelzero.number" .scratchSize | float64) 1073741824.0 | ceil | int }}
{{- $_ := set $requests "ephemeral-storage" (printf "%dGi" (add $scratch $weights)) }}
{{- end }}
{{- dict "limits" $limits "requests" $requests | toYaml }}
{{- end }}

{{/* Size of the scratch volume: what the values say, and the weights where the predictor downloads them. */}}
{{- define "reelzero.scratch" -}}
{{- if include "reelzero.downloads" . }}
{{- $scratch := divf (include "reelzero.number" .scratchSize | float64) 1073741824.0 | ceil | int }}
{{- printf "%dGi" (add $scratch (int (default 0 .entry.weights_gib))) }}
{{- else }}{{ .scratchSize }}{{ end }}
{{- end }}
