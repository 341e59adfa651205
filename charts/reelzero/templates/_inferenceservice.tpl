{{/*
One InferenceService. Call with (dict "root" $ "lane" lane "grpc" false).

Custom predictor of KServe in its Knative mode. Everything security is on the container, since Knative
allows it there without feature flags. No startupProbe: it would turn off Knative's fast probing.
*/}}
{{- define "reelzero.inferenceService" -}}
{{- $root := .root }}{{ $lane := .lane }}
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {{ $lane.service }}
  labels:
    {{- include "reelzero.podLabels" (list $root "predictor") | nindent 4 }}
    networking.knative.dev/visibility: cluster-local
    reelzero.dev/model: {{ $lane.name }}
    reelzero.dev/lane: {{ ternary "grpc" $lane.lane .grpc }}
  annotations:
    serving.kserve.io/deploymentMode: Knative
    serving.knative.dev/progress-deadline: {{ printf "%ds" (int $lane.times.progressDeadline) }}
    # Without it Go's HTTP server in queue-proxy can cut a stream that begins while the request is still read.
    features.knative.dev/http-full-duplex: Enabled
    autoscaling.knative.dev/target-utilization-percentage: "100"
    autoscaling.knative.dev/target-burst-capacity: "-1"
    autoscaling.knative.dev/initial-scale: {{ max (int $lane.initialScale) (int $lane.minReplicas) | quote }}
    autoscaling.knative.dev/window: {{ printf "%ds" (int $lane.stableWindowSeconds) }}
    autoscaling.knative.dev/scale-to-zero-pod-retention-period: {{ printf "%ds" (int $lane.keepWarmSeconds) }}
    # A job is worth more than a tidy node: neither autoscaler may move a pod that lives only while it works.
    cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
    karpenter.sh/do-not-disrupt: "true"
    # A pod reads its entry once, when it starts: a changed one needs new pods.
    reelzero.dev/catalog: {{ include "reelzero.catalogEntry" $lane | sha256sum }}
    {{- with include "reelzero.scrapeAnnotations" $root }}{{ . | nindent 4 }}{{ end }}
    {{- with $lane.annotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  predictor:
    serviceAccountName: {{ include "reelzero.fullname" $root }}-predictor
    automountServiceAccountToken: false
    {{- with include "reelzero.pullSecrets" $root }}{{ . | nindent 4 }}{{ end }}
    timeout: {{ $lane.times.timeout }}
    containerConcurrency: 1
    minReplicas: {{ $lane.minReplicas }}
    maxReplicas: {{ ternary $lane.grpcMaxReplicas $lane.maxReplicas .grpc }}
    scaleMetric: concurrency
    scaleTarget: 1
    {{- with $lane.nodeSelector }}
    nodeSelector: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $lane.tolerations }}
    tolerations: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $lane.runtimeClassName }}
    runtimeClassName: {{ . }}
    {{- end }}
    {{- with $lane.priorityClassName }}
    priorityClassName: {{ . }}
    {{- end }}
    containers:
      - name: kserve-container
        image: {{ include "reelzero.image" (list $root $root.Values.image.predictor) }}
        imagePullPolicy: {{ $root.Values.image.pullPolicy }}
        args: [--http_port, "8080", --grpc_port, "8081", --enable_grpc, {{ .grpc | quote }}]
        ports:
          - {{ ternary "{ name: h2c, containerPort: 8081, protocol: TCP }" "{ name: http1, containerPort: 8080, protocol: TCP }" .grpc }}
        env: {{- include "reelzero.predictorEnv" . | nindent 10 }}
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
        securityContext: {{- include "reelzero.containerSecurity" $root | nindent 10 }}
        resources: {{- include "reelzero.predictorResources" $lane | nindent 10 }}
        volumeMounts:
          - { name: shm, mountPath: /dev/shm }
          - { name: scratch, mountPath: /scratch }
          - { name: catalog, mountPath: /etc/reelzero/catalog, readOnly: true }
    volumes:
      - { name: shm, emptyDir: { medium: Memory, sizeLimit: {{ $lane.shmSize }} } }
      - { name: scratch, emptyDir: { sizeLimit: {{ $lane.scratchSize }} } }
      - { name: catalog, configMap: { name: {{ include "reelzero.fullname" $root }}-catalog } }
{{- end }}

{{- define "reelzero.predictorEnv" -}}
{{- $lane := .lane }}
- { name: REELZERO_MODEL, value: {{ $lane.name | quote }} }
{{- if $lane.storage.path }}
- { name: REELZERO_MODEL_DIR, value: {{ $lane.storage.path | quote }} }
{{- else if or $lane.storage.uri (not $lane.entry.bundled) }}
# KServe's webhook sees this name, fetches the weights before the container starts, and mounts them.
- { name: STORAGE_URI, value: {{ default (printf "hf://%s:%s" (default "" $lane.entry.repository) $lane.entry.revision) $lane.storage.uri | quote }} }
- { name: REELZERO_MODEL_DIR, value: /mnt/models }
{{- end }}
- { name: REELZERO_DEVICE, value: {{ ternary "cuda" "cpu" (gt (int $lane.gpus) 0) | quote }} }
- { name: REELZERO_SCRATCH_DIR, value: /scratch }
# The root is read-only: whatever a library wants to keep goes to scratch.
- { name: HOME, value: /scratch }
- { name: TMPDIR, value: /scratch }
{{ include "reelzero.sharedEnv" .root | trim }}
{{- include "reelzero.settingsEnv" $lane.settings }}
{{- end }}

{{/* The container's resources with its GPUs, which must be requested and limited alike. */}}
{{- define "reelzero.predictorResources" -}}
{{- $resources := deepCopy .resources }}
{{- if gt (int .gpus) 0 }}
{{- $gpus := dict .gpuResource (toString .gpus) }}
{{- $resources = mergeOverwrite $resources (dict "requests" $gpus "limits" $gpus) }}
{{- end }}
{{- toYaml $resources }}
{{- end }}
