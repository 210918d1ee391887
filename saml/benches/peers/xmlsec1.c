/* libxmlsec1's verifications per CPU-second of one document: xmlsec1-throughput DOCUMENT PUBLIC_KEY.der */
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xmlsec/crypto.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmlsec.h>
#include <xmlsec/xmltree.h>

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int verify(const char *xml, int length, xmlSecKeyPtr key) {
    static const xmlChar *ids[] = {(const xmlChar *)"ID", NULL};
    xmlDocPtr document = xmlReadMemory(xml, length, NULL, NULL, XML_PARSE_NONET);
    xmlSecAddIDs(document, xmlDocGetRootElement(document), ids);
    xmlNodePtr signature = xmlSecFindNode(xmlDocGetRootElement(document), xmlSecNodeSignature, xmlSecDSigNs);
    xmlSecDSigCtxPtr context = xmlSecDSigCtxCreate(NULL);
    context->signKey = xmlSecKeyDuplicate(key);
    int good = xmlSecDSigCtxVerify(context, signature) == 0 && context->status == xmlSecDSigStatusSucceeded;
    xmlSecDSigCtxDestroy(context);
    xmlFreeDoc(document);
    return good;
}

int main(int count, char **arguments) {
    static char xml[1 << 20];
    FILE *file = count == 3 ? fopen(arguments[1], "rb") : NULL;
    if (file == NULL) return 2;
    int length = (int)fread(xml, 1, sizeof xml, file);
    xmlInitParser();
    if (xmlSecInit() < 0 || xmlSecCryptoAppInit(NULL) < 0 || xmlSecCryptoInit() < 0) return 3;
    xmlSecKeyPtr key = xmlSecCryptoAppKeyLoad(arguments[2], xmlSecKeyDataFormatDer, NULL, NULL, NULL);
    if (key == NULL) return 4;
    double end = seconds(CLOCK_MONOTONIC) + 2, begun = seconds(CLOCK_PROCESS_CPUTIME_ID);
    long done = 0;
    for (; seconds(CLOCK_MONOTONIC) < end; done++)
        if (!verify(xml, length, key)) return 5;
    printf("%.0f\n", (double)done / (seconds(CLOCK_PROCESS_CPUTIME_ID) - begun));
    return 0;
}
