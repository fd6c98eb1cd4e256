/* SPDX-License-Identifier: Apache-2.0 */
/* mcpauthctl: looks at the daemon, its journal and its policy. Everything it can do is a row of the two tables below. */
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "credential.h"
#include "ctl/ctl.h"

#ifndef MCPA_VERSION
#define MCPA_VERSION "0"
#endif
#define DEFAULT_URL         "http://127.0.0.1:9860"
#define DEFAULT_CONFIG      "/etc/mcpauth/mcpauth-admind.conf"
#define DEFAULT_STATE_DIR   "/var/lib/mcpauth"
#define DEFAULT_JOURNAL_DIR "/var/log/mcpauth"

enum {
    STATUS = 1,
    KEYS = 2,
    ALERTS = 4,
    METRICS = 8,
    AUDIT = 16,
    EXPLAIN = 32,
    PROBE = 128,
    GATES = 256,
    TOKEN = 512,
    HTTP = STATUS | KEYS | ALERTS | METRICS | GATES,
    ALL = HTTP | AUDIT | EXPLAIN | TOKEN,
    MANY = 64 /* of options: may be given again and again */
};

static const struct command {
    const char *name;
    unsigned bit;
    ctl_exit_t (*run)(const ctl_t *ctl);
    size_t words_min, words_max;
    const char *usage, *help;
} commands[] = {
    { "status", STATUS, ctl_status, 0, 0, "status", "the daemon, its health, httpd's children; exit 1 when it is not ready" },
    { "keys", KEYS, ctl_keys, 0, 0, "keys", "issuers and their keys" },
    { "alerts", ALERTS, ctl_alerts, 0, 0, "alerts", "what fires, and what was resolved lately" },
    { "metrics", METRICS, ctl_metrics, 0, 1, "metrics [PREFIX]", "the samples whose names begin so" },
    { "audit", AUDIT, ctl_audit, 1, 1, "audit search|follow|report|verify|seal",
      "records of the journal, oldest first; follow goes on until it is stopped\n"
      "      report: who used what and who was denied what, with sums over all of the journal or a period\n"
      "      verify: whether one is missing, twice, out of order or broken, and whether every line is as it was sealed; exit 1 when not.\n"
      "      It says up to where that is proven\n"
      "      seal: the newest seal, as verify --seal takes it: to be kept on another machine" },
    { "explain", EXPLAIN, ctl_explain, 0, 0, "explain --token-file FILE|- --location /mcp",
      "how a request with that token would be decided, and why; exit 1 when it is refused.\n"
      "      With --body and --header: how that message would be" },
    { "token", TOKEN, ctl_token, 1, 1, "token mint|inspect|verify|rotate",
      "mint: signs an access token of the local issuer and prints it, as the daemon's user or root. It wants --subject and --audience\n"
      "      inspect: what a token says of itself, not verified; the token and its signature are not shown\n"
      "      verify: whether a token is good for --location, whatever its scopes allow there; exit 1 when not\n"
      "      rotate: the local issuer's next key signs now, or as soon as it is known everywhere" },
    { "probe", PROBE, ctl_probe, 1, 1, "probe URL",
      "asks a resource from outside what clients and attackers ask; exit 1 when something is wrong that must not be.\n"
      "      Needs nothing of the daemon; the more tokens it is given, the more it sees" },
    { "gates", GATES, ctl_gates, 0, 0, "gates",
      "whether what is deployed here is fit for production, for the end of a deployment; exit 1 when something is not" },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

#define AT(member) offsetof(ctl_t, member)
static const struct option {
    const char *name;
    unsigned commands;
    size_t offset;
    const char *value; /* NULL: a switch */
    const char *help;
} options[] = {
    { "url", HTTP, AT(url), "URL",
      "of the daemon, or unix:PATH (default: $MCPAUTH_URL, Listen of the configuration, " DEFAULT_URL ")" },
    { "config", ALL, AT(config), "FILE", "the daemon's configuration, for Listen, StateDir, JournalDir, AdminTokenFile and Issuer" },
    { "token-file", HTTP | EXPLAIN | TOKEN | PROBE, AT(token_file), "FILE|-",
      "the admin token; for explain and token the access token, for probe a good one; - reads standard input" },
    { "token", EXPLAIN, AT(token_file), "-",
      "the same as --token-file: a token itself is not taken here, everybody on the machine could read it" },
    { "json", ALL | PROBE, AT(json), NULL, "for programs" },
    { "journal", AUDIT, AT(journal_dir), "DIR", "the journal (default: JournalDir of the configuration)" },
    { "subject", AUDIT | TOKEN, AT(subject), "SUB", "exactly this subject; what several such options ask for must all be true; mint: whose it is" },
    { "client", AUDIT | TOKEN, AT(client), "ID", "client_id (mint: default mcpauthctl)" },
    { "address", AUDIT, AT(address), "IP", "the client's address" },
    { "location", AUDIT | EXPLAIN | TOKEN, AT(location), "PATH", "the Location, as written in httpd's configuration" },
    { "reason", AUDIT, AT(reason), "WORD", "such as signature_bad" },
    { "decision", AUDIT, AT(decision), "WORD", "allow, deny, limit, error or shadow_deny" },
    { "tool", AUDIT, AT(tool), "NAME", "of the tool, prompt or resource that the request named" },
    { "status", AUDIT, AT(status), "N", "the answer's HTTP status" },
    { "request-id", AUDIT, AT(request_id), "ID", "one request" },
    { "token-hash", AUDIT, AT(token_hash), "HEX", "one access token, by its hash in the records" },
    { "event", AUDIT, AT(event), "WORD", "request, decision, gap, corrupt or seal; seals are shown only when asked for" },
    { "since", AUDIT, AT(since), "TIME", "2026-11-21T09:00:00Z, 2026-11-21, or 10min for so long ago" },
    { "until", AUDIT, AT(until), "TIME", "the same" },
    { "limit", AUDIT | PROBE, AT(limit), "N",
      "search: the newest N (default 100, 0: all); follow: stop after N; report: rows of each table (default 20);\n"
      "                         probe: asks N times and expects to be stopped" },
    { "all", AUDIT, AT(all), NULL, "search: everything, as it is read" },
    { "period", AUDIT, AT(period), "PERIOD", "report: the last whole day, week (from Monday) or month, in UTC" },
    { "html", AUDIT, AT(html), "FILE", "report: as a page for a browser, which only its owner may read" },
    { "key", AUDIT | MANY, AT(seal_keys), "FILE", "verify: the origin key, from where it is kept; one for each that there was" },
    { "seal", AUDIT | MANY, AT(anchors), "EPOCH:MAC", "verify: a seal that was kept elsewhere and must be in the journal; any number" },
    { "vhost", EXPLAIN | TOKEN, AT(vhost), "NAME", "where several have such a Location" },
    { "policy", EXPLAIN | TOKEN | GATES, AT(policy), "FILE", "the policy snapshot (default: policy.json in StateDir)" },
    { "keys", EXPLAIN | TOKEN, AT(keys), "DIR", "the published keys (default: keys in StateDir)" },
    { "origin", EXPLAIN | PROBE, AT(origin), "ORIGIN", "explain: as if a browser had sent it; probe: one that MCPAuthOrigin lets in" },
    { "method", AUDIT | EXPLAIN, AT(method), "METHOD", "audit: JSON-RPC's or HTTP's, such as tools/call; explain: default POST" },
    { "body", EXPLAIN, AT(body), "JSON|@FILE", "the message, or a file with it, where httpd inspects it (default: a ping)" },
    { "header", EXPLAIN | MANY, AT(headers), "'NAME: VALUE'",
      "one that decides, such as MCP-Protocol-Version, Mcp-Method or Content-Type; any number" },
    { "at", EXPLAIN | TOKEN, AT(at), "TIME", "as if it were then" },
    { "audience", TOKEN, AT(audience), "URL", "mint: what the token is for, MCPAuthResource of a Location" },
    { "scope", TOKEN, AT(scope), "'SCOPE...'", "mint: such as 'mcp:tools.read mcp:tools.exec' (default: none)" },
    { "lifetime", TOKEN, AT(lifetime), "TIME", "mint: from 1s to 24h (default 1h)" },
    { "claim", TOKEN | MANY, AT(claims), "NAME=TEXT", "mint: one more claim, or NAME:=JSON for what is no text; any number" },
    { "low-token-file", PROBE, AT(low_token_file), "FILE|-", "a token for this resource with too little scope to call a tool" },
    { "expired-token-file", PROBE, AT(expired_token_file), "FILE|-", "a token for this resource that is over" },
    { "wrong-audience-token-file", PROBE, AT(wrong_audience_token_file), "FILE|-", "a token for another resource" },
    { "no-issuer", PROBE | GATES, AT(no_issuer), NULL, "the authorization servers cannot be reached from here" },
    { "ca", PROBE | GATES, AT(ca), "FILE", "certificates to trust instead of the system's" },
    { "max-body", PROBE, AT(max_body), "SIZE", "MCPAuthMaxBody of the Location (default 4m): one byte more has to be refused" },
    { "probe", GATES, AT(probe), NULL, "probe every resource, too, without a token" },
    { "prometheus", GATES, AT(prometheus), "URL", "a Prometheus that has to have loaded alert rules of mcpauth" },
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static void print_usage(FILE *to)
{
    fprintf(to, "usage: mcpauthctl COMMAND [OPTION...]\n\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(to, "  mcpauthctl %s\n      %s\n", commands[i].usage, commands[i].help);
    }
    fprintf(to, "\noptions\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        char name[40];

        snprintf(name, sizeof(name), "--%s %s", options[i].name, options[i].value != NULL ? options[i].value : "");
        fprintf(to, "  %-22s %s\n", name, options[i].help);
    }
    fprintf(to,
            "\nexit status: 0 good, 1 a bad answer, 2 usage, 3 the daemon or what is probed cannot be reached,\n"
            "or verify not read the journal\n");
}

static const struct option *find_option(mcpa_str_t name)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (mcpa_str_eqz(name, options[i].name)) {
            return &options[i];
        }
    }
    return NULL;
}

static bool put_value(ctl_t *ctl, const struct option *option, const char *value)
{
    char *slot = (char *)ctl + option->offset;
    const char *taken = NULL;

    for (size_t i = 0; (option->commands & MANY) != 0 && i < CTL_MANY; i++, slot += sizeof(value)) {
        memcpy(&taken, slot, sizeof(taken));
        if (taken == NULL) {
            break;
        }
        if (i + 2 == CTL_MANY) {
            ctl_complain("--%s was given too often", option->name);
            return false;
        }
    }
    memcpy(slot, &value, sizeof(value));
    return true;
}

/* argv[*at] is "--name", "--name=value" or "--name value". */
static bool read_option(ctl_t *ctl, const struct command *command, int argc, char **argv, int *at)
{
    const char *text = argv[*at] + 2, *equals = strchr(text, '=');
    const struct option *option = find_option((mcpa_str_t){ text, equals != NULL ? (size_t)(equals - text) : strlen(text) });
    const char *value = equals != NULL ? equals + 1 : NULL;

    if (option == NULL || (option->commands & command->bit) == 0) {
        ctl_complain("%s takes no --%s", command->name, text);
        return false;
    }
    if (option->value == NULL && equals != NULL) {
        ctl_complain("--%s takes no value", option->name);
        return false;
    }
    if (option->value == NULL) {
        *(bool *)((char *)ctl + option->offset) = true;
        return true;
    }
    if (value == NULL && ++*at < argc) {
        value = argv[*at];
    }
    if (value == NULL || value[0] == '\0') {
        ctl_complain("--%s wants %s: %s", option->name, option->value, option->help);
        return false;
    }
    return put_value(ctl, option, value);
}

static const struct command *read_arguments(ctl_t *ctl, int argc, char **argv)
{
    const struct command *command = NULL;

    for (size_t i = 0; argc > 1 && i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            command = &commands[i];
        }
    }
    if (command == NULL) {
        print_usage(stderr);
        return NULL;
    }
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0') {
            if (!read_option(ctl, command, argc, argv, &i)) {
                return NULL;
            }
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            ctl_complain("%s takes no %s", command->name, argv[i]);
            return NULL;
        } else if (ctl->n_words < command->words_max) {
            ctl->words[ctl->n_words++] = argv[i];
        } else {
            ctl_complain("%s: '%s' is too much", command->name, argv[i]);
            return NULL;
        }
    }
    if (ctl->n_words < command->words_min) {
        ctl_complain("usage: mcpauthctl %s", command->usage);
        return NULL;
    }
    return command;
}

/* Where a client finds what listens at 'listen': a wildcard address is asked on loopback. */
static char *url_of(const char *listen)
{
    const char *colon = strrchr(listen, ':');
    char *url = NULL;
    int n;

    if (strncmp(listen, "unix:", 5) == 0) {
        return strdup(listen);
    }
    if (colon != NULL && strncmp(listen, "0.0.0.0:", 8) == 0) {
        n = asprintf(&url, "http://127.0.0.1%s", colon);
    } else if (colon != NULL && strncmp(listen, "[::]:", 5) == 0) {
        n = asprintf(&url, "http://[::1]%s", colon);
    } else {
        n = asprintf(&url, "http://%s", listen);
    }
    return n < 0 ? NULL : url;
}

static bool apply_issuer(ctl_t *ctl, const admind_config_t *config)
{
    static char dir[PATH_MAX];

    if (config->issuer.url == NULL) {
        return true;
    }
    ctl->issuer = config->issuer.url;
    ctl->issuer_dir = dir;
    return admind_config_issuer_dir(config, dir, sizeof(dir));
}

/* Fills what the command line left open. *url is to be freed. */
static bool apply_config(ctl_t *ctl, bool wants_http, admind_config_t **config, char **url)
{
    const char *path = ctl->config != NULL ? ctl->config : DEFAULT_CONFIG, *from_env = getenv("MCPAUTH_URL");
    char error[512];

    ctl->state_dir = DEFAULT_STATE_DIR;
    if (ctl->url == NULL && ctl->config == NULL && from_env != NULL && from_env[0] != '\0') {
        ctl->url = from_env;
    }
    if (ctl->config != NULL || access(DEFAULT_CONFIG, R_OK) == 0) {
        *config = admind_config_read(path, error, sizeof(error));
        if (*config == NULL) {
            ctl_complain("%s", error);
            return false;
        }
        if (ctl->url == NULL) {
            *url = url_of((*config)->listen);
            ctl->url = *url;
        }
        ctl->state_dir = (*config)->state_dir;
        if (!apply_issuer(ctl, *config)) {
            ctl_complain("%s: the path of the issuer's keys is too long", path);
            return false;
        }
        ctl->journal_dir = ctl->journal_dir != NULL ? ctl->journal_dir : (*config)->journal_dir;
        if (wants_http && ctl->token_file == NULL) {
            ctl->token_file = (*config)->admin_token_file;
            if (ctl->token_file != NULL && admind_credential_is_missing(ctl->token_file)) {
                ctl_complain("AdminTokenFile %s: only the daemon is handed that; give --token-file FILE", ctl->token_file);
                return false;
            }
        }
    }
    ctl->url = ctl->url != NULL ? ctl->url : DEFAULT_URL;
    ctl->journal_dir = ctl->journal_dir != NULL ? ctl->journal_dir : DEFAULT_JOURNAL_DIR;
    return true;
}

int main(int argc, char **argv)
{
    ctl_t ctl = { 0 };
    const struct command *command;
    admind_config_t *config = NULL;
    char *url = NULL;
    ctl_exit_t result = CTL_USAGE;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)) {
        print_usage(stdout);
        return CTL_GOOD;
    }
    if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
        printf("mcpauthctl %s\n", MCPA_VERSION);
        return CTL_GOOD;
    }
    command = read_arguments(&ctl, argc, argv);
    if (command != NULL && (command->bit == PROBE || apply_config(&ctl, (command->bit & HTTP) != 0, &config, &url))) {
        const char *no_colour = getenv("NO_COLOR");

        ctl.colour = isatty(STDOUT_FILENO) == 1 && (no_colour == NULL || no_colour[0] == '\0');
        result = command->run(&ctl);
    }
    free(url);
    admind_config_free(&config);
    if (fflush(stdout) != 0 && result == CTL_GOOD) {
        return CTL_BAD;
    }
    return (int)result;
}
