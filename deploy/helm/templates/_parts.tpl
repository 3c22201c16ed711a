{{- define "gateway.name" -}}
{{- .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- end -}}

{{- define "gateway.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* What a Service, a budget and a Deployment find their pods by: it never changes. */ -}}
{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "gateway.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "gateway.pod" -}}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  # the user may read the key file
  fsGroup: 1000
  seccompProfile: { type: RuntimeDefault }
# running requests and tests are given 20 s
terminationGracePeriodSeconds: 30
volumes:
  - name: keys
    secret:
      secretName: {{ .Values.secret.name }}
      defaultMode: 0440
      items: [{ key: {{ .Values.secret.masterKeyKey | quote }}, path: master.key }]
  - name: tmp
    emptyDir: { medium: Memory, sizeLimit: 64Mi }
{{- end -}}

{{- define "gateway.container" -}}
image: {{ include "gateway.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
volumeMounts:
  - { name: keys, mountPath: /keys, readOnly: true }
  - { name: tmp, mountPath: /tmp }
{{- end -}}

{{- /* What the gateways are called: by whom they are asked within the cluster, and from outside. */ -}}
{{- define "gateway.hosts" -}}
{{- $name := include "gateway.name" . -}}
{{- $port := ternary "" (printf ":%v" .Values.service.port) (eq (int .Values.service.port) 80) -}}
{{- $hosts := list -}}
{{- range list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.cluster.local" $name .Release.Namespace) -}}
{{- $hosts = append $hosts (printf "%s%s" . $port) -}}
{{- end -}}
{{- if .Values.ingress.enabled -}}
{{- $hosts = append $hosts (printf "https://%s" .Values.ingress.host) -}}
{{- end -}}
{{- concat $hosts .Values.gateway.allowedHosts | join "," -}}
{{- end -}}

{{- define "gateway.env" -}}
- name: DATABASE_URL
  valueFrom: { secretKeyRef: { name: {{ .Values.secret.name }}, key: {{ .Values.secret.databaseUrlKey | quote }} } }
# the files of a Secret are root's, and a group's: the gateway takes none that others may read as its own key file
- { name: KEY_COMMAND, value: /bin/cat /keys/master.key }
- { name: METRICS_PORT, value: {{ .Values.metrics.port | quote }} }
{{- end -}}
