import io.trino.server.Server;

/** Starts Trino, as the program of its own distribution does: `java Coordinator.java VERSION`. */
class Coordinator {
    public static void main(String[] arguments) {
        new Server().start(arguments[0]);
    }
}
