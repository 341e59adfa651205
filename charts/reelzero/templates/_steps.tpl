{{/*
The services of steps, checked and filled in, and the times that follow from the budgets of their types.

Each is a Knative Service from zero. A pod takes as many steps at once as `concurrency` says, so
capacity = maxReplicas x concurrency. A step gets signed addresses: its pods hold no keys.
*/}}

{{/* The step types: the service's own, with the operator's on top. */}}
{{- define "reelzero.stepTypes" -}}
{{- $types := mergeOverwrite (.Files.Get "files/steps.yaml" | fromYaml) .Values.stepTypes }}
{{- range $name, $type := $types }}
{{- range list "title" "outputs" "run" "budget" }}
{{- if not (get $type .) }}
{{- include "reelzero.fail" (list (printf "stepTypes.%s.%s" $name .) "missing: a step type of your own needs it") }}
{{- end }}
{{- end }}
{{- end }}
{{- $types | toYaml }}
{{- end }}

{{/* Every service with all keys filled: {services: […]}. Many templates need it, so it is worked out once. */}}
{{- define "reelzero.steps" -}}
{{- if not (hasKey . "stepsOnce") }}{{ $_ := set . "stepsOnce" (include "reelzero.stepsFilled" .) }}{{ end }}
{{- .stepsOnce }}
{{- end }}

{{- define "reelzero.stepsFilled" -}}
{{- $root := . }}{{ $services := list }}{{ $names := dict }}
{{- $all := include "reelzero.stepTypes" . | fromYaml }}
{{- $taken := include "reelzero.stepTypesTaken" (list .Values.steps $all) | fromYaml }}
{{- range $i, $own := .Values.steps }}
{{- $at := printf "steps[%d]" $i }}
{{- if hasKey $names $own.name }}
{{- include "reelzero.fail" (list (printf "%s.name" $at) (printf "%q is listed twice; choose another name" $own.name)) }}
{{- end }}
{{- if eq $own.name "eventing" }}
{{- include "reelzero.fail" (list (printf "%s.name" $at) "\"eventing\" is the name of the API's Service; choose another name") }}
{{- end }}
{{- $_ := set $names $own.name true }}
{{- $service := mergeOverwrite (deepCopy $root.Values.stepDefaults) $own }}
{{- if not $service.types }}
{{- range $name, $type := $all }}
{{- if and (has $type.run.kind (list "builtin" "http")) (not (hasKey $taken $name)) }}{{ $_ := set $service "types" (append $service.types $name) }}{{ $_ := set $taken $name $at }}{{ end }}
{{- end }}
{{- end }}
{{- $_ := set $service "entries" dict }}
{{- range $name := $service.types }}{{ $_ := set $service.entries $name (get $all $name) }}{{ end }}
{{- $_ := set $service "at" $at }}
{{- $_ := set $service "service" (include "reelzero.serviceName" (list $root $at $own.name "")) }}
{{- $_ := set $service "url" (printf "http://%s.%s.svc.%s" $service.service $root.Release.Namespace $root.Values.clusterDomain) }}
{{- include "reelzero.stepsBudget" $service }}
{{- include "reelzero.stepsContainer" $service }}
{{- include "reelzero.checkSteps" (list $root $service) }}
{{- $services = append $services $service }}
{{- end }}
{{- dict "services" $services | toYaml }}
{{- end }}

{{/* Which service names each type: a type has one place. Call with (list services types). */}}
{{- define "reelzero.stepTypesTaken" -}}
{{- $all := index . 1 }}{{ $taken := dict }}
{{- range $i, $own := index . 0 }}
{{- range $j, $name := $own.types }}
{{- $at := printf "steps[%d].types[%d]" $i $j }}
{{- if not (hasKey $all $name) }}
{{- include "reelzero.fail" (list $at (printf "unknown step type %q; known are %s (add your own under `stepTypes`)" $name (keys $all | sortAlpha | join ", "))) }}
{{- end }}
{{- if hasKey $taken $name }}
{{- include "reelzero.fail" (list $at (printf "%q is in %s already; a type has one service" $name (get $taken $name))) }}
{{- end }}
{{- $_ := set $taken $name (printf "steps[%d]" $i) }}
{{- end }}
{{- end }}
{{- $taken | toYaml }}
{{- end }}

{{/* Set the longest budget of the types, and the times that follow from it. Each type keeps its own generation. */}}
{{- define "reelzero.stepsBudget" -}}
{{- $cold := int .coldStartSeconds }}{{ $generation := 1 }}
{{- range $name, $type := .entries }}
{{- if not $.coldStartSeconds }}{{ $cold = max $cold (int $type.budget.cold_start_seconds) }}{{ end }}
{{- $generation = max $generation (int $type.budget.generation_seconds) }}
{{- end }}
{{- $_ := set . "coldStartSeconds" $cold }}
{{- $_ := set . "generationSeconds" $generation }}
{{- $_ := set . "times" (include "reelzero.times" . | fromYaml) }}
{{- end }}

{{/* Set the commands, the image, and what the types need of a node. The image of steps forks those of its own Python. */}}
{{- define "reelzero.stepsContainer" -}}
{{- $commands := dict }}{{ $memory := 1 }}{{ $gpus := 0 }}{{ $image := .image }}
{{- range $name, $type := .entries }}
{{- if eq $type.run.kind "builtin" }}
{{- $_ := set $commands $name (list "/opt/reelzero/bin/python" "-m" "steps" $type.run.module "{inputs}" "{outputs}" "{parameters}") }}
{{- else if eq $type.run.kind "command" }}
{{- $_ := set $commands $name $type.run.words }}
{{- if and $type.run.image (not $.image) }}
{{- if and $image (ne $image $type.run.image) }}
{{- include "reelzero.fail" (list (printf "%s.types" $.at) (printf "%s needs the image %s, and another type of this service %s; give each a service of its own" $name $type.run.image $image)) }}
{{- end }}
{{- $image = $type.run.image }}
{{- end }}
{{- else }}
{{- $_ := set $commands $name (dict "url" $type.run.url) }}
{{- end }}
{{- $memory = max $memory (int (default 1 $type.memory_gib)) }}
{{- if ne $type.run.kind "http" }}{{ $gpus = max $gpus (int (default 0 $type.gpus)) }}{{ end }}
{{- end }}
{{- $_ := set . "commands" $commands }}
{{- $_ := set . "image" $image }}
{{- if lt (int .gpus) 0 }}{{ $_ := set . "gpus" $gpus }}{{ end }}
{{- $_ := set . "memoryGib" (mul $memory (int .concurrency)) }}
{{- end }}

{{/* What cannot work. Call with (list $ service). */}}
{{- define "reelzero.checkSteps" -}}
{{- $root := index . 0 }}{{ $service := index . 1 }}{{ $at := $service.at }}
{{- if not $service.types }}
{{- include "reelzero.fail" (list (printf "%s.types" $at) "it has no step type; name some, or remove the service") }}
{{- end }}
{{- range $name, $type := $service.entries }}
{{- if and $service.image (eq $type.run.kind "builtin") }}
{{- include "reelzero.fail" (list (printf "%s.image" $at) (printf "%s is in the box, and %s has no package of it; leave the image out, or give the type a service of its own" $name $service.image)) }}
{{- end }}
{{- end }}
{{- if gt (int $service.times.timeout) (int $root.Values.knative.maxTimeoutSeconds) }}
{{- include "reelzero.fail" (list (printf "%s.types" $at) (printf "the longest budget of its types needs a time-out of %d s, but Knative here ends requests at %d s (knative.maxTimeoutSeconds, at most 3600); raise that, lower budget.generation_seconds of the type, or set steps: [] where no stories are made" (int $service.times.timeout) (int $root.Values.knative.maxTimeoutSeconds))) }}
{{- end }}
{{- range $key := list "minReplicas" "initialScale" }}
{{- if gt (int (get $service $key)) (int $service.maxReplicas) }}
{{- include "reelzero.fail" (list (printf "%s.%s" $at $key) (printf "%d is more than maxReplicas, %d" (int (get $service $key)) (int $service.maxReplicas))) }}
{{- end }}
{{- end }}
{{- include "reelzero.checkVolumes" (list $at (list "scratch" "cache" "runner" "ca") $service) }}
{{- include "reelzero.checkResources" (list (printf "%s.resources" $at) (include "reelzero.stepsResources" $service | fromYaml) (list "cpu" "memory")) }}
{{- end }}

{{/* A type as eventing reads it, with the cold start of its service. Call with (list service name). */}}
{{- define "reelzero.stepType" -}}
{{- $service := index . 0 }}{{ $name := index . 1 }}
{{- $budget := dict "cold_start_seconds" (int $service.coldStartSeconds) }}
{{- mergeOverwrite (deepCopy (get $service.entries $name)) (dict "name" $name "budget" $budget) | toYaml }}
{{- end }}

{{/* REELZERO_STEP_ENDPOINTS: where steps are sent, and how many at once. */}}
{{- define "reelzero.stepEndpoints" -}}
{{- $endpoints := list }}
{{- range (include "reelzero.steps" . | fromYaml).services }}
{{- $endpoint := dict "name" .name "types" .types "url" .url "capacity" (mul .maxReplicas .concurrency) }}
{{- /* Every end of a pod of Knative's takes 30 s more. */}}
{{- $_ := set $endpoint "idle_seconds" (add .stableWindowSeconds .keepWarmSeconds 30) }}
{{- if .minReplicas }}{{ $_ := set $endpoint "always_on" (mul .minReplicas .concurrency) }}{{ end }}
{{- $endpoints = append $endpoints $endpoint }}
{{- end }}
{{- $endpoints | toJson }}
{{- end }}

{{/* CPU, memory, disk and GPUs of a pod. What the values leave open comes from its types. */}}
{{- define "reelzero.stepsResources" -}}
{{- $limits := default dict (deepCopy .resources).limits }}{{ $requests := default dict (deepCopy .resources).requests }}
{{- $_ := set $limits "memory" (default (printf "%dGi" (int .memoryGib)) $limits.memory) }}
{{- $_ := set $requests "memory" (default $limits.memory $requests.memory) }}
{{- if not (index $requests "ephemeral-storage") }}
{{- $disk := addf (include "reelzero.number" .scratchSize | float64) (include "reelzero.number" .cacheSize | float64) }}
{{- $_ := set $requests "ephemeral-storage" (printf "%dGi" (divf $disk 1073741824.0 | ceil | int)) }}
{{- end }}
{{- if gt (int .gpus) 0 }}
{{- $_ := set $limits .gpuResource (toString .gpus) }}{{ $_ := set $requests .gpuResource (toString .gpus) }}
{{- end }}
{{- dict "limits" $limits "requests" $requests | toYaml }}
{{- end }}
