{{/*
Checks that stop the render and name the value: keys that the chart sets itself, mounts, sizes, the default model.
*/}}

{{/*
Refuse a key that the chart or KServe sets already: YAML keeps one of two equal keys, and Kubernetes refuses two
equal variables. Call with (list "path" own given): own has the taken keys, each with what to do instead.
*/}}
{{- define "reelzero.checkTaken" -}}
{{- $at := index . 0 }}{{ $own := index . 1 }}
{{- range $key, $value := index . 2 }}
{{- /* Knative reads minScale as min-scale. */}}
{{- $parts := splitList "/" $key }}
{{- $plain := ternary (printf "autoscaling.knative.dev/%s" (last $parts | kebabcase)) $key (eq (first $parts) "autoscaling.knative.dev") }}
{{- if hasKey $own $plain }}
{{- include "reelzero.fail" (list $at (printf "%q is set by the chart; %s" $key (default "leave it out" (get $own $plain)))) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Refuse an annotation that the chart or KServe sets. Call with (list "path" rendered given). */}}
{{- define "reelzero.checkAnnotations" -}}
{{- $own := dict }}
{{- range $key, $value := index . 1 }}{{ $_ := set $own $key "leave it out" }}{{ end }}
{{- $scale := "autoscaling.knative.dev" }}
{{- $values := dict "min-scale" "minReplicas" "max-scale" "maxReplicas" "initial-scale" "initialScale" "window" "stableWindowSeconds" "scale-to-zero-pod-retention-period" "keepWarmSeconds" }}
{{- range $name, $value := $values }}{{ $_ := set $own (printf "%s/%s" $scale $name) (printf "use %s" $value) }}{{ end }}
{{- range list "target" "metric" "class" }}{{ $_ := set $own (printf "%s/%s" $scale .) "one request at a time is what a predictor takes" }}{{ end }}
{{- include "reelzero.checkTaken" (list (index . 0) $own (index . 2)) }}
{{- end }}

{{/* Refuse a variable that is named twice. Call with (list "path" own extra): two lists. */}}
{{- define "reelzero.checkEnv" -}}
{{- $at := index . 0 }}{{ $seen := dict }}
{{- range index . 1 }}{{ $_ := set $seen .name "use the value that it comes from, or settings" }}{{ end }}
{{- range $i, $variable := index . 2 }}
{{- include "reelzero.checkTaken" (list (printf "%s[%d].name" $at $i) $seen (dict $variable.name "")) }}
{{- $_ := set $seen $variable.name "it is in this list twice" }}
{{- end }}
{{- end }}

{{/* Volumes have names and paths of their own, and every mount has its volume. Call with (list "path" ownVolumes values). */}}
{{- define "reelzero.checkVolumes" -}}
{{- $at := index . 0 }}{{ $names := dict }}{{ $values := index . 2 }}
{{- $paths := list "/tmp" "/etc/reelzero/catalog" "/etc/reelzero/steps" }}
{{- if has "shm" (index . 1) }}{{ $paths = list "/dev/shm" "/scratch" "/etc/reelzero/catalog" }}{{ end }}
{{- if has "cache" (index . 1) }}{{ $paths = list "/scratch" "/cache" "/opt/reelzero/runner" }}{{ end }}
{{- range index . 1 }}{{ $_ := set $names . "choose another name" }}{{ end }}
{{- range $i, $volume := $values.extraVolumes }}
{{- include "reelzero.checkTaken" (list (printf "%s.extraVolumes[%d].name" $at $i) $names (dict $volume.name "")) }}
{{- $_ := set $names $volume.name "it is in this list twice" }}
{{- end }}
{{- range $i, $mount := $values.extraVolumeMounts }}
{{- if not (hasKey $names $mount.name) }}
{{- include "reelzero.fail" (list (printf "%s.extraVolumeMounts[%d].name" $at $i) (printf "no volume is named %q; add it to extraVolumes" $mount.name)) }}
{{- end }}
{{- $path := trimSuffix "/" $mount.mountPath }}
{{- if has $path $paths }}
{{- include "reelzero.fail" (list (printf "%s.extraVolumeMounts[%d].mountPath" $at $i) (printf "%s has a volume already; choose another path" $path)) }}
{{- end }}
{{- $paths = append $paths $path }}
{{- end }}
{{- end }}

{{/*
Requests and limits that Kubernetes would refuse. KServe fills missing limits of CPU and memory from its ConfigMap,
with 1 CPU and 2Gi as it is installed, so a predictor's are always set. Call with (list "path" resources needed).
*/}}
{{- define "reelzero.checkResources" -}}
{{- $at := index . 0 }}{{ $limits := default dict (index . 1).limits }}{{ $requests := default dict (index . 1).requests }}
{{- range index . 2 }}
{{- if not (get $limits .) }}
{{- include "reelzero.fail" (list (printf "%s.limits.%s" $at .) "set it: KServe would set one of its own, 1 CPU and 2Gi as it is installed") }}
{{- end }}
{{- end }}
{{- range $name, $limit := $limits }}
{{- $request := get $requests $name }}
{{- if and $limit $request (lt (include "reelzero.number" $limit | float64) (include "reelzero.number" $request | float64)) }}
{{- include "reelzero.fail" (list (printf "%s.limits.%s" $at $name) (printf "%v is less than the request, %v; raise the limit or lower %s.requests.%s" $limit $request ($at | splitList "." | last) $name)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Containers beside the predictor have names of their own, and Knative allows ports for one container. Call with a lane. */}}
{{- define "reelzero.checkSidecars" -}}
{{- $at := .at }}{{ $names := dict "predictor" "choose another name" "kserve-container" "choose another name" "queue-proxy" "choose another name" }}
{{- $isKnative := ne .scaler "keda" }}
{{- range $i, $container := .sidecars }}
{{- include "reelzero.checkTaken" (list (printf "%s.sidecars[%d].name" $at $i) $names (dict $container.name "")) }}
{{- $_ := set $names $container.name "it is in this list twice" }}
{{- if and $isKnative $container.ports }}
{{- include "reelzero.fail" (list (printf "%s.sidecars[%d].ports" $at $i) "remove them: Knative allows ports for one container, the predictor's; containers of one pod reach each other on 127.0.0.1") }}
{{- end }}
{{- end }}
{{- end }}

{{/* The families of the predictor package that use one GPU; a test compares them with the package. */}}
{{- define "reelzero.unshared" -}}
["cogvideox", "hunyuan15", "ltx", "ltx2", "mochi", "shapes"]
{{- end }}

{{/* What cannot work on any node. Call with (list "path" lane). */}}
{{- define "reelzero.checkDevice" -}}
{{- $at := index . 0 }}{{ $lane := index . 1 }}
{{- if and (eq (int $lane.gpus) 0) (gt (int $lane.entry.gpus) 0) }}
{{- include "reelzero.fail" (list (printf "%s.gpus" $at) (printf "%s needs %d; leave gpus out, or take a model that runs on a CPU" $lane.name (int $lane.entry.gpus))) }}
{{- end }}
{{- $own := printf ",%v" (default "" (get (default dict $lane.settings) "families")) }}
{{- if and (gt (int $lane.gpus) 1) (has $lane.entry.family (include "reelzero.unshared" . | fromYamlArray)) (not (contains (printf ",%s=" $lane.entry.family) $own)) }}
{{- include "reelzero.fail" (list (printf "%s.gpus" $at) (printf "%s is of the family %s, which uses one GPU; %d would be paid for nothing" $lane.name $lane.entry.family (sub (int $lane.gpus) 1))) }}
{{- end }}
{{- if hasKey (merge (dict) (default dict $lane.resources.requests) (default dict $lane.resources.limits)) $lane.gpuResource }}
{{- include "reelzero.fail" (list (printf "%s.resources" $at) (printf "%s follows from gpus; leave it out" $lane.gpuResource)) }}
{{- end }}
{{- if ge (include "reelzero.number" $lane.shmSize | float64) (include "reelzero.number" $lane.resources.limits.memory | float64) }}
{{- include "reelzero.fail" (list (printf "%s.shmSize" $at) (printf "%v is taken from the memory of the container, whose limit is %v; lower it or raise resources.limits.memory" $lane.shmSize $lane.resources.limits.memory)) }}
{{- end }}
{{- if and $lane.maxFrames (lt (int $lane.maxFrames) (int $lane.entry.frames.min)) }}
{{- include "reelzero.fail" (list (printf "%s.maxFrames" $at) (printf "%d is less than the shortest video of %s, %d frames: no job would ever come" (int $lane.maxFrames) $lane.name (int $lane.entry.frames.min))) }}
{{- end }}
{{- end }}

{{/* Settings of eventing that name models. */}}
{{- define "reelzero.checkModelNames" -}}
{{- $settings := default dict .Values.eventing.settings }}{{ $served := list }}
{{- range .Values.models }}{{ $served = append $served .name }}{{ end }}
{{- $wanted := dict }}
{{- with $settings.default_model }}{{ $_ := set $wanted . "default_model" }}{{ end }}
{{- range splitList "," (default "" $settings.model_aliases) }}
{{- with trim . }}{{ $_ := set $wanted (splitList "=" . | last | trim) "model_aliases" }}{{ end }}
{{- end }}
{{- range $name, $setting := $wanted }}
{{- if not (has $name $served) }}
{{- include "reelzero.fail" (list (printf "eventing.settings.%s" $setting) (printf "%q is not served here; `models` has %s" $name (default "none" ($served | join ", ")))) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Triggers have a Broker, and its dead letters leave it. */}}
{{- define "reelzero.checkEvents" -}}
{{- if and .Values.events.triggers (not .Values.events.enabled) }}
{{- include "reelzero.fail" (list "events.triggers" "Triggers need a Broker, and events.enabled is false; remove them or set it to true") }}
{{- end }}
{{- $sink := .Values.events.deadLetterSink }}{{ $broker := include "reelzero.broker" . }}
{{- $own := dict "kind" "Broker" "name" $broker "namespace" .Release.Namespace }}
{{- $ref := merge (pick (default dict $sink.ref) "kind" "name" "namespace") (pick $own "namespace") }}
{{- if or (eq (toJson $ref) (toJson $own)) (regexMatch (printf "^https?://[^/]+/%s/%s/?$" .Release.Namespace $broker) (default "" $sink.uri)) }}
{{- include "reelzero.fail" (list "events.deadLetterSink" "a dead letter in its own Broker circles; name another sink") }}
{{- end }}
{{- end }}
