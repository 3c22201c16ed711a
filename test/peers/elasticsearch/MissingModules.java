import java.io.IOException;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.email.UAX29URLEmailTokenizer;
import org.apache.lucene.analysis.miscellaneous.RemoveDuplicatesTokenFilter;
import org.apache.lucene.analysis.pattern.PatternCaptureGroupTokenFilter;
import org.elasticsearch.Build;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.ActionRequest;
import org.elasticsearch.action.ActionRequestValidationException;
import org.elasticsearch.action.ActionResponse;
import org.elasticsearch.action.ActionType;
import org.elasticsearch.action.support.ActionFilters;
import org.elasticsearch.action.support.TransportAction;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.util.concurrent.EsExecutors;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.IndexVersion;
import org.elasticsearch.index.analysis.AbstractTokenFilterFactory;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.injection.guice.Inject;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.rest.action.RestActionListener;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.transport.TransportService;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * What a distribution has in modules that Maven Central has not: the start page (rest-root), which tells the node's own
 * name, cluster and build, and what its index of API keys is made with (analysis-common).
 */
public class MissingModules extends Plugin implements ActionPlugin, AnalysisPlugin {
    static final ActionType<ActionResponse.Empty> MAIN = new ActionType<>("cluster:monitor/main");
    private ClusterService cluster;

    @Override
    public Collection<?> createComponents(PluginServices services) {
        cluster = services.clusterService();
        return List.of();
    }

    @Override
    public Collection<ActionHandler> getActions() {
        return List.of(new ActionHandler(MAIN, MainAction.class));
    }

    @Override
    public Collection<RestHandler> getRestHandlers(
            RestHandlersServices services, Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
        return List.of(new StartPage());
    }

    @Override
    public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
        return Map.of(
                "pattern_capture",
                AnalysisPlugin.requiresAnalysisSettings((index, environment, name, settings) -> {
                    Pattern[] patterns = settings.getAsList("patterns").stream().map(Pattern::compile).toArray(Pattern[]::new);
                    boolean preserves = settings.getAsBoolean("preserve_original", true);
                    return filter(name, stream -> new PatternCaptureGroupTokenFilter(stream, preserves, patterns));
                }),
                "unique",
                (index, environment, name, settings) -> filter(name, RemoveDuplicatesTokenFilter::new));
    }

    @Override
    public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
        return Map.of("uax_url_email", (index, environment, name, settings) ->
                TokenizerFactory.newFactory(name, UAX29URLEmailTokenizer::new));
    }

    private static TokenFilterFactory filter(String name, java.util.function.UnaryOperator<TokenStream> made) {
        return new AbstractTokenFilterFactory(name) {
            @Override
            public TokenStream create(TokenStream stream) {
                return made.apply(stream);
            }
        };
    }

    /** Does nothing, but only for who may see what the cluster is. */
    public static class MainAction extends TransportAction<MainRequest, ActionResponse.Empty> {
        @Inject
        public MainAction(TransportService transport, ActionFilters filters) {
            super(MAIN.name(), filters, transport.getTaskManager(), EsExecutors.DIRECT_EXECUTOR_SERVICE);
        }

        @Override
        protected void doExecute(Task task, MainRequest request, ActionListener<ActionResponse.Empty> listener) {
            listener.onResponse(ActionResponse.Empty.INSTANCE);
        }
    }

    public static class MainRequest extends ActionRequest {
        @Override
        public ActionRequestValidationException validate() {
            return null;
        }
    }

    private class StartPage extends BaseRestHandler {
        @Override
        public String getName() {
            return "start_page";
        }

        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            return channel -> client.execute(MAIN, new MainRequest(), new RestActionListener<>(channel) {
                @Override
                protected void processResponse(ActionResponse.Empty nothing) throws IOException {
                    channel.sendResponse(new RestResponse(RestStatus.OK, about(channel.newBuilder())));
                }
            });
        }

        private XContentBuilder about(XContentBuilder page) throws IOException {
            Build build = Build.current();
            page.prettyPrint().startObject();
            page.field("name", cluster.getNodeName());
            page.field("cluster_name", cluster.getClusterName().value());
            page.field("cluster_uuid", cluster.state().metadata().clusterUUID());
            page.startObject("version");
            page.field("number", build.qualifiedVersion());
            page.field("build_flavor", build.flavor());
            page.field("build_type", build.type().displayName());
            page.field("build_hash", build.hash());
            page.field("build_date", build.date());
            page.field("build_snapshot", build.isSnapshot());
            page.field("lucene_version", IndexVersion.current().luceneVersion().toString());
            page.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
            page.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
            page.endObject();
            return page.field("tagline", "You Know, for Search").endObject();
        }
    }
}
