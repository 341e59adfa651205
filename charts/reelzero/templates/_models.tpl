{{/*
The list of models, checked and filled in, and the times that follow from each one's budget.

The formulas are those of eventing/contract/budget.py (reasons: docs/decisions/0003-time-from-one-budget.md); a test
holds both against each other. Whatever cannot hold stops the render and names the value.
*/}}

{{/* Seconds of drain, upload and margin: DRAIN_SECONDS, UPLOAD_SECONDS, MARGIN_SECONDS. */}}
{{- define "reelzero.times" -}}
{{- $cold := int .coldStartSeconds }}{{ $generation := int .generationSeconds }}
{{- $timeout := add $generation 60 (max $cold 30) 30 -}}
timeout: {{ $timeout }}
progressDeadline: {{ max 600 (add $cold 30) }}
eventingGrace: {{ add $timeout 30 30 }}
{{- end }}

{{/* The catalog: the service's own, with the operator's entries on top. */}}
{{- define "reelzero.catalog" -}}
{{- mergeOverwrite (.Files.Get "files/catalog.yaml" | fromYaml) .Values.catalog | toYaml }}
{{- end }}

{{/* A model's entry as its pods read it, with this release's budget. Call with a model or a lane. */}}
{{- define "reelzero.catalogEntry" -}}
{{- $budget := dict "cold_start_seconds" (int .coldStartSeconds) "generation_seconds" (int .generationSeconds) }}
{{- mergeOverwrite (deepCopy .entry) (dict "name" .name "gpus" (int .gpus) "budget" $budget) | toYaml }}
{{- end }}

{{/*
The operator's adapters as the pods read them, by name: each with those of its models that are served, or with the
one that is asked for. Call with (list root model); an empty model means all.
*/}}
{{- define "reelzero.loras" -}}
{{- $root := index . 0 }}{{ $only := index . 1 }}{{ $served := list }}{{ $loras := dict }}
{{- range (include "reelzero.models" $root | fromYaml).models }}{{ $served = append $served .name }}{{ end }}
{{- range $name, $entry := $root.Values.loras }}
{{- $models := list }}
{{- range $entry.models }}{{ if and (has . $served) (or (eq $only "") (eq $only .)) }}{{ $models = append $models . }}{{ end }}{{ end }}
{{- if $models }}{{ $_ := set $loras $name (mergeOverwrite (deepCopy $entry) (dict "kind" "lora" "name" $name "models" $models)) }}{{ end }}
{{- end }}
{{- with $loras }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* Stop with the place and what is wrong there. Call with (list "path" "message"). */}}
{{- define "reelzero.fail" -}}
{{- fail (printf "\n\nreelzero: %s: %s\n" (index . 0) (index . 1)) }}
{{- end }}

{{/* Every model with all keys filled: {models: […]}. Many templates need it, so it is worked out once. */}}
{{- define "reelzero.models" -}}
{{- if not (hasKey . "modelsOnce") }}{{ $_ := set . "modelsOnce" (include "reelzero.modelsFilled" .) }}{{ end }}
{{- .modelsOnce }}
{{- end }}

{{- define "reelzero.modelsFilled" -}}
{{- $root := . }}{{ $models := list }}{{ $seen := dict }}
{{- $catalog := include "reelzero.catalog" . | fromYaml }}
{{- range $i, $given := .Values.models }}
{{- $at := printf "models[%d]" $i }}
{{- if not (hasKey $catalog $given.name) }}
{{- include "reelzero.fail" (list (printf "%s.name" $at) (printf "unknown model %q; the catalog has %s (add your own under `catalog`)" $given.name (keys $catalog | sortAlpha | join ", "))) }}
{{- end }}
{{- if hasKey $seen $given.name }}
{{- include "reelzero.fail" (list (printf "%s.name" $at) (printf "%q is listed twice; give one entry several `lanes` instead" $given.name)) }}
{{- end }}
{{- $_ := set $seen $given.name true }}
{{- $entry := get $catalog $given.name }}
{{- $model := mergeOverwrite (deepCopy $root.Values.modelDefaults) $given }}
{{- if not $model.coldStartSeconds }}{{ $_ := set $model "coldStartSeconds" $entry.budget.cold_start_seconds }}{{ end }}
{{- if not $model.generationSeconds }}{{ $_ := set $model "generationSeconds" $entry.budget.generation_seconds }}{{ end }}
{{- if lt (int $model.gpus) 0 }}{{ $_ := set $model "gpus" $entry.gpus }}{{ end }}
{{- $_ := set $model "entry" $entry }}
{{- $_ := set $model "at" $at }}
{{- $_ := set $model "times" (include "reelzero.times" $model | fromYaml) }}
{{- include "reelzero.checkTimes" (list $root $at $model) }}
{{- include "reelzero.checkHeartbeat" (list $root $at $model) }}
{{- include "reelzero.checkStorage" (list $at $model) }}
{{- $models = append $models $model }}
{{- end }}
{{- dict "models" $models | toYaml }}
{{- end }}

{{- define "reelzero.checkTimes" -}}
{{- $root := index . 0 }}{{ $at := index . 1 }}{{ $model := index . 2 }}
{{- $most := int $root.Values.knative.maxTimeoutSeconds }}
{{- if gt (int $model.times.timeout) $most }}
{{- include "reelzero.fail" (list (printf "%s.generationSeconds" $at) (printf "%s needs a time-out of %d s (generation %d + upload 60 + the longer of cold start and drain %d + margin 30), but Knative here ends requests at %d s (knative.maxTimeoutSeconds, at most 3600); lower generationSeconds or coldStartSeconds" $model.name (int $model.times.timeout) (int $model.generationSeconds) (max (int $model.coldStartSeconds) 30) $most)) }}
{{- end }}
{{- end }}

{{/* Three missing heartbeats break a stream: HEARTBEAT_SECONDS, HEARTBEATS_MISSED, and eventing's default of both. */}}
{{- define "reelzero.checkHeartbeat" -}}
{{- $root := index . 0 }}{{ $at := index . 1 }}{{ $model := index . 2 }}
{{- $beat := float64 (default 10 $model.settings.heartbeat_seconds) }}
{{- $patience := float64 (default 30 (default dict $root.Values.eventing.settings).heartbeat_timeout_seconds) }}
{{- if gt (mulf 3 $beat) $patience }}
{{- include "reelzero.fail" (list (printf "%s.settings.heartbeat_seconds" $at) (printf "%s gives a sign of life every %g s, and eventing breaks a stream after %g s of silence, less than three of them; set it to at most %g, or eventing.settings.heartbeat_timeout_seconds to at least %g" $model.name $beat $patience (divf $patience 3) (mulf 3 $beat))) }}
{{- end }}
{{- end }}

{{- define "reelzero.checkStorage" -}}
{{- $at := index . 0 }}{{ $model := index . 1 }}{{ $storage := $model.storage }}
{{- if and $storage.uri $storage.path }}
{{- include "reelzero.fail" (list (printf "%s.storage" $at) "give either uri or path, not both") }}
{{- end }}
{{- if not (or $storage.uri $storage.path $model.entry.repository $model.entry.bundled $model.entry.engine) }}
{{- include "reelzero.fail" (list (printf "%s.storage.uri" $at) (printf "%s has nothing to download; say where its weights are" $model.name)) }}
{{- end }}
{{- end }}

{{/* A quantity as a number: 500m is 0.5, 4Gi is 4294967296. */}}
{{- define "reelzero.number" -}}
{{- if kindIs "string" . }}
{{- $digits := regexFind "^[0-9.]+" . }}
{{- $ki := 1024.0 }}{{ $mi := mulf $ki 1024.0 }}{{ $gi := mulf $mi 1024.0 }}{{ $ti := mulf $gi 1024.0 }}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1000.0 "M" 1000000.0 "G" 1000000000.0 "T" 1000000000000.0 "Ki" $ki "Mi" $mi "Gi" $gi "Ti" $ti }}
{{- mulf (float64 $digits) (get $units (trimPrefix $digits .)) }}
{{- else }}{{ float64 . }}{{ end }}
{{- end }}

{{/*
Every InferenceService: {lanes: […]}. A lane is its model with the lane's own keys on top, plus `lane`,
`service` (the InferenceService's name) and `url`. One request at a time is the predictor's nature, so its
concurrency is no value: capacity = maxReplicas.
*/}}
{{- define "reelzero.lanes" -}}
{{- if not (hasKey . "lanesOnce") }}{{ $_ := set . "lanesOnce" (include "reelzero.lanesFilled" .) }}{{ end }}
{{- .lanesOnce }}
{{- end }}

{{- define "reelzero.lanesFilled" -}}
{{- $root := . }}{{ $lanes := list }}{{ $services := dict }}
{{- range $i, $model := (include "reelzero.models" . | fromYaml).models }}
{{- $seen := dict }}
{{- range $j, $given := (default (list (dict "name" "default")) $model.lanes) }}
{{- $at := printf "models[%d].lanes[%d]" $i $j }}
{{- if hasKey $seen $given.name }}
{{- include "reelzero.fail" (list (printf "%s.name" $at) (printf "%s has two lanes named %q" $model.name $given.name)) }}
{{- end }}
{{- if eq $given.name "grpc" }}
{{- include "reelzero.fail" (list (printf "%s.name" $at) "\"grpc\" is taken by the gRPC services; choose another name") }}
{{- end }}
{{- $_ := set $seen $given.name true }}
{{- $lane := mergeOverwrite (omit (deepCopy $model) "lanes") (omit $given "name") (dict "lane" $given.name) }}
{{- $suffix := ternary "" (printf "-%s" $given.name) (eq $given.name "default") }}
{{- $_ := set $lane "service" (include "reelzero.serviceName" (list $root $at $model.name $suffix)) }}
{{- if hasKey $services $lane.service }}
{{- include "reelzero.fail" (list $at (printf "its service would be %s, which is %s already; rename the lane" $lane.service (get $services $lane.service))) }}
{{- end }}
{{- $_ := set $services $lane.service $at }}
{{- $port := ternary ":8080" "" (eq $lane.scaler "keda") }}
{{- $_ := set $lane "url" (printf "http://%s-predictor.%s.svc.%s%s" $lane.service $root.Release.Namespace $root.Values.clusterDomain $port) }}
{{- if gt (int $lane.minReplicas) (int $lane.maxReplicas) }}
{{- include "reelzero.fail" (list (printf "%s.minReplicas" $at) (printf "%d is more than maxReplicas, %d" (int $lane.minReplicas) (int $lane.maxReplicas))) }}
{{- end }}
{{- if gt (int $lane.initialScale) (int $lane.maxReplicas) }}
{{- include "reelzero.fail" (list (printf "%s.initialScale" $at) (printf "%d is more than maxReplicas, %d: a new revision would start with pods that no job is ever sent to" (int $lane.initialScale) (int $lane.maxReplicas))) }}
{{- end }}
{{- $_ := set $lane "at" $at }}
{{- $lanes = append $lanes $lane }}
{{- end }}
{{- end }}
{{- dict "lanes" $lanes | toYaml }}
{{- end }}

{{/* The lanes whose pods KEDA starts. */}}
{{- define "reelzero.kedaLanes" -}}
{{- $lanes := list }}
{{- range (include "reelzero.lanes" . | fromYaml).lanes }}{{ if eq .scaler "keda" }}{{ $lanes = append $lanes . }}{{ end }}{{ end }}
{{- dict "lanes" $lanes | toYaml }}
{{- end }}

{{/* A DNS label that leaves room for "-predictor-00001" and the namespace. */}}
{{- define "reelzero.serviceName" -}}
{{- $root := index . 0 }}
{{- $name := printf "%s-%s%s" (include "reelzero.fullname" $root) (index . 2 | replace "." "-") (index . 3) }}
{{- if gt (add (len $name) (len "-predictor-") (len $root.Release.Namespace)) 63 }}
{{- include "reelzero.fail" (list (index . 1) (printf "the name %q is too long: with \"-predictor\" and the namespace it may have 63 characters; shorten the release, the lane or fullnameOverride" $name)) }}
{{- end }}
{{- $name }}
{{- end }}

{{/* REELZERO_ENDPOINTS: where jobs are sent, and how many at once. */}}
{{- define "reelzero.endpoints" -}}
{{- $endpoints := list }}
{{- range (include "reelzero.lanes" . | fromYaml).lanes }}
{{- $endpoint := dict "model" .name "lane" .lane "url" .url "capacity" (int .maxReplicas) }}
{{- if .maxFrames }}{{ $_ := set $endpoint "max_frames" (int .maxFrames) }}{{ end }}
{{- if eq .scaler "keda" }}{{ $_ := set $endpoint "scaler" .scaler }}{{ end }}
{{- /* Every end of a pod of Knative's takes 30 s more, in which its GPU is paid. */}}
{{- $_ := set $endpoint "idle_seconds" (add (int .stableWindowSeconds) (int .keepWarmSeconds) (ternary 0 30 (eq .scaler "keda"))) }}
{{- if .minReplicas }}{{ $_ := set $endpoint "always_on" (int .minReplicas) }}{{ end }}
{{- $endpoints = append $endpoints $endpoint }}
{{- end }}
{{- $endpoints | toJson }}
{{- end }}

{{/* GPUs in use when everything runs. */}}
{{- define "reelzero.mostGpus" -}}
{{- $most := 0 }}
{{- range (include "reelzero.lanes" . | fromYaml).lanes }}{{ $most = add $most (mul (int .gpus) (int .maxReplicas)) }}{{ end }}
{{- if .Values.grpc.enabled }}
{{- range (include "reelzero.models" . | fromYaml).models }}{{ $most = add $most (mul (int .gpus) (int .grpcMaxReplicas)) }}{{ end }}
{{- end }}
{{- $most }}
{{- end }}
