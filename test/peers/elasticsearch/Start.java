import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** Starts a node from its jars, as the program of its own distribution does: `java Start HOME`. */
class Start {
    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]);
        Settings settings = Settings.builder().put("path.home", home.toString()).build();
        LogConfigurator.registerErrorListener();
        Environment environment =
                InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "node-1");
        LogConfigurator.setNodeName("node-1");
        LogConfigurator.configure(environment, true);
        Set<org.elasticsearch.plugins.PluginBundle> modules =
                PluginsLoader.loadModulesBundles(environment.modulesDir(), false);
        // as in a distribution's own modules, without what Java would have to be told of each of them
        new Node(environment, PluginsLoader.createPluginsLoader(modules, Set.of(), Map.of(), false)).start();
        System.out.println("STARTED");
        Thread.currentThread().join();
    }
}
