package main

// files returns the files of the site's own folder, as templates. The kustomization is made
// of the example that the base comes with.
func files() map[string]string {
	return map[string]string{
		"convex.env":        "INSTANCE_SECRET={{.Secret}}\nPOSTGRES_URL=postgresql://tale:{{.Password}}@db.db:5432?sslmode=disable\n",
		"push.env":          "INSTANCE_SECRET={{.Secret}}\nPOSTGRES_URL=postgresql://tale:{{.Password}}@db.db:5432?sslmode=disable\nBETTER_AUTH_SECRET={{.Password}}\nENCRYPTION_SECRET_HEX={{.Secret}}\n",
		"platform.env":      "INSTANCE_SECRET={{.Secret}}\n",
		"proxy.env":         "METRICS_BEARER_TOKEN={{.Password}}\n",
		"rag.env":           "RAG_DATABASE_URL=postgresql://tale:{{.Password}}@db.db:5432/tale_knowledge?sslmode=disable\n",
		"crawler.env":       "CRAWLER_DATABASE_URL=postgresql://tale:{{.Password}}@db.db:5432/tale_knowledge?sslmode=disable\n",
		"surroundings.yaml": surroundings,
	}
}

// onFirstNode is a volume in a folder.
const onFirstNode = `apiVersion: v1
kind: PersistentVolume
metadata:
  name: {{.Name}}
spec:
  capacity: { storage: {{.Size}} }
  accessModes: [{{.Mode}}]
  persistentVolumeReclaimPolicy: Retain
  local: { path: "{{.Folder}}" }
  {{- with .Claim }}
  claimRef: { namespace: tale, name: {{.}} }
  {{- end }}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{ key: kubernetes.io/hostname, operator: In, values: [node1] }]
`

// surroundings are what a cluster provides besides volumes: a database.
const surroundings = `apiVersion: v1
kind: Namespace
metadata:
  name: db
---
apiVersion: v1
kind: Service
metadata:
  name: db
  namespace: db
spec:
  selector: { app: db }
  ports: [{ port: 5432 }]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: db
  namespace: db
spec:
  selector: { matchLabels: { app: db } }
  template:
    metadata:
      labels: { app: db }
    spec:
      # A drain of node2 does not touch what convex needs.
      nodeName: node1
      containers:
        - name: db
          image: tale-e2e/tale-db:e2e
          env:
            - { name: POSTGRES_USER, value: tale }
            - { name: POSTGRES_PASSWORD, value: "{{.Password}}" }
            - { name: POSTGRES_DB, value: tale }
          readinessProbe: { tcpSocket: { port: 5432 }, periodSeconds: 1 }
`
