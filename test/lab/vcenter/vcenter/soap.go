package main

import (
	"bytes"
	stdxml "encoding/xml"
	"net/http"
	"reflect"
	"regexp"

	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// call is what the lab needs to know of a SOAP request. The rest is the
// simulator's business.
type call struct {
	method string
	this   types.ManagedObjectReference
	name   string // first <name> of the parameters, if any: that of a machine to be made
}

func parseCall(body []byte) (c call) {
	d := stdxml.NewDecoder(bytes.NewReader(body))
	inBody, at := false, ""
	for {
		tok, err := d.Token()
		if err != nil {
			return c
		}
		switch t := tok.(type) {
		case stdxml.StartElement:
			at = t.Name.Local
			switch {
			case !inBody:
				inBody = at == "Body"
			case c.method == "":
				c.method = at
			case at == "_this":
				for _, a := range t.Attr {
					if a.Name.Local == "type" {
						c.this.Type = a.Value
					}
				}
			}
		case stdxml.CharData:
			switch {
			case c.method != "" && at == "_this" && c.this.Value == "":
				c.this.Value = string(bytes.TrimSpace(t))
			case c.method != "" && at == "name" && c.name == "":
				c.name = string(t)
			}
			if c.this.Value != "" && (c.name != "" || !namesMachine[c.method]) {
				return c
			}
		case stdxml.EndElement:
			at = ""
		}
	}
}

// namesMachine are the calls whose object is a folder or a pool, while a test
// thinks of the machine they are about.
var namesMachine = map[string]bool{
	"CreateVM_Task":   true,
	"ImportVApp":      true,
	"RegisterVM_Task": true,
}

// recorder holds the simulator's answer until the lab has decided what to do with it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(s int) {
	if r.status == 0 {
		r.status = s
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

func (r *recorder) ok() bool { return r.status == http.StatusOK }

func (r *recorder) copyTo(w http.ResponseWriter) {
	for k, v := range r.header {
		w.Header()[k] = v
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes())
}

var (
	returnedRef = regexp.MustCompile(`<returnval[^>]*\btype="([^"]+)"[^>]*>([^<]*)</returnval>`)
	returnedID  = regexp.MustCompile(`<id>([^<]+)</id>`)
)

// returned is the object that an answer names as its result.
func (r *recorder) returned() (types.ManagedObjectReference, bool) {
	m := returnedRef.FindSubmatch(r.body.Bytes())
	if m == nil {
		return types.ManagedObjectReference{}, false
	}
	return types.ManagedObjectReference{Type: string(m[1]), Value: string(m[2])}, true
}

type envelope struct {
	XMLName xml.Name `xml:"soapenv:Envelope"`
	Enc     string   `xml:"xmlns:soapenc,attr"`
	Env     string   `xml:"xmlns:soapenv,attr"`
	XSD     string   `xml:"xmlns:xsd,attr"`
	XSI     string   `xml:"xmlns:xsi,attr"`
	Body    any      `xml:"soapenv:Body"`
}

// element is a value under a name in vSphere's namespace.
type element struct {
	name  string
	value any
	attrs []xml.Attr
}

func (x *element) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	return e.EncodeElement(x.value, xml.StartElement{
		Name: xml.Name{Local: x.name},
		Attr: append([]xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: "urn:vim25"}}, x.attrs...),
	})
}

func writeEnvelope(w http.ResponseWriter, status int, body any) {
	var out bytes.Buffer
	out.WriteString(xml.Header)
	e := xml.NewEncoder(&out)
	err := e.Encode(&envelope{
		Enc:  "http://schemas.xmlsoap.org/soap/encoding/",
		Env:  "http://schemas.xmlsoap.org/soap/envelope/",
		XSD:  "http://www.w3.org/2001/XMLSchema",
		XSI:  "http://www.w3.org/2001/XMLSchema-instance",
		Body: body,
	})
	if err == nil {
		err = e.Flush()
	}
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}

// writeResult answers a call in the simulator's place. value is a types.*Response.
func writeResult(w http.ResponseWriter, value any) {
	name := reflect.TypeOf(value).Elem().Name()
	writeEnvelope(w, http.StatusOK, &struct {
		Res *element
	}{&element{name: name, value: value}})
}

// writeTask answers a *_Task call with a task.
func writeTask(w http.ResponseWriter, method string, task types.ManagedObjectReference) {
	// All these answers have the same content; only the element's name differs.
	writeEnvelope(w, http.StatusOK, &struct {
		Res *element
	}{&element{name: method + "Response", value: &types.CreateVM_TaskResponse{Returnval: task}}})
}

type soapFault struct {
	XMLName xml.Name `xml:"soapenv:Fault"`
	Code    string   `xml:"faultcode"`
	String  string   `xml:"faultstring"`
	Detail  struct {
		Fault *element
	} `xml:"detail"`
}

func writeFault(w http.ResponseWriter, fault types.BaseMethodFault, message string) {
	kind := reflect.TypeOf(fault).Elem().Name()
	f := &soapFault{Code: "ServerFaultCode", String: message}
	f.Detail.Fault = &element{
		name:  kind + "Fault",
		value: fault,
		attrs: []xml.Attr{{Name: xml.Name{Local: "xsi:type"}, Value: kind}},
	}
	writeEnvelope(w, http.StatusInternalServerError, &struct{ Fault *soapFault }{f})
}
