// SPDX-License-Identifier: Apache-2.0
// Talk.java - what Java does with sockets, for app_java.bats
//
//	java Talk.java serve PORT HTTP   an NIO selector that echoes; an HTTP server
//	java Talk.java talk PORT HTTP    clients of all kinds; "all right" at the end
//	java Talk.java close PORT        closes what another thread waits on

import com.sun.net.httpserver.HttpServer;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.util.*;
import java.util.concurrent.*;

public class Talk {
    static final int[] SIZES = {1, 100, 5000, 70000, 300000};

    static byte[] data(int seed) {
        byte[] data = new byte[SIZES[seed % SIZES.length]];
        new Random(seed).nextBytes(data);
        return data;
    }

    static InetSocketAddress local(int port) {
        return new InetSocketAddress("127.0.0.1", port);
    }

    static void check(byte[] got, byte[] wanted) {
        if (!Arrays.equals(got, wanted))
            throw new AssertionError("other data");
    }

    // ---- server

    static void echo(SelectionKey key) throws IOException {
        SocketChannel channel = (SocketChannel) key.channel();
        ByteBuffer buffer = (ByteBuffer) key.attachment();
        if (buffer.position() == 0) {
            int n = channel.read(buffer);
            if (n < 0) {
                channel.close();
                return;
            }
        }
        buffer.flip();
        channel.write(buffer);
        buffer.compact();
        key.interestOps(buffer.position() == 0 ? SelectionKey.OP_READ : SelectionKey.OP_WRITE);
    }

    static void serve(int port, int http) throws Exception {
        HttpServer server = HttpServer.create(local(http), 64);
        server.createContext("/", exchange -> {
            byte[] body = exchange.getRequestBody().readAllBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();

        Selector selector = Selector.open();
        ServerSocketChannel listener = ServerSocketChannel.open();
        listener.bind(local(port), 64);
        listener.configureBlocking(false);
        listener.register(selector, SelectionKey.OP_ACCEPT);
        while (true) {
            selector.select();
            for (Iterator<SelectionKey> it = selector.selectedKeys().iterator(); it.hasNext();) {
                SelectionKey key = it.next();
                it.remove();
                if (key.isAcceptable()) {
                    SocketChannel channel = listener.accept();
                    if (channel == null)
                        continue;
                    channel.configureBlocking(false);
                    channel.register(selector, SelectionKey.OP_READ, ByteBuffer.allocate(65536));
                    continue;
                }
                try {
                    echo(key);
                } catch (IOException e) {
                    key.channel().close();
                }
            }
        }
    }

    // ---- clients

    // java.net, a thread for each direction
    static Void streams(int port, int seed) throws Exception {
        try (Socket socket = new Socket()) {
            socket.connect(local(port), 10000);
            socket.setSoTimeout(30000);
            socket.setTcpNoDelay(true);
            OutputStream out = socket.getOutputStream();
            for (int i = 0; i < 15; i++) {
                byte[] data = data(seed + i);
                Future<Void> writer = CompletableFuture.runAsync(() -> {
                    try {
                        out.write(data);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                });
                check(socket.getInputStream().readNBytes(data.length), data);
                writer.get();
            }
        }
        return null;
    }

    // a blocking channel, direct buffers
    static Void channels(int port, int seed) throws Exception {
        try (SocketChannel channel = SocketChannel.open(local(port))) {
            for (int i = 0; i < 15; i++) {
                byte[] data = data(seed + i);
                ByteBuffer out = ByteBuffer.allocateDirect(data.length);
                ByteBuffer in = ByteBuffer.allocateDirect(data.length);
                out.put(data).flip();
                // no more at a time than comes back
                while (in.hasRemaining()) {
                    out.limit(Math.min(data.length, in.position() + 20000));
                    while (out.hasRemaining())
                        channel.write(out);
                    channel.read(in);
                }
                byte[] got = new byte[data.length];
                in.flip().get(got);
                check(got, data);
            }
        }
        return null;
    }

    // asynchronous channels
    static Void futures(int port, int seed) throws Exception {
        try (AsynchronousSocketChannel channel = AsynchronousSocketChannel.open()) {
            channel.connect(local(port)).get(30, TimeUnit.SECONDS);
            for (int i = 0; i < 15; i++) {
                byte[] data = data(seed + i);
                ByteBuffer out = ByteBuffer.wrap(data);
                ByteBuffer in = ByteBuffer.allocate(data.length);
                while (in.hasRemaining()) {
                    out.limit(Math.min(data.length, in.position() + 20000));
                    while (out.hasRemaining())
                        channel.write(out).get(30, TimeUnit.SECONDS);
                    channel.read(in).get(30, TimeUnit.SECONDS);
                }
                check(in.array(), data);
            }
        }
        return null;
    }

    static void posts(int http) throws Exception {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        List<CompletableFuture<Void>> answers = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            byte[] data = data(i);
            HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + http + "/"))
                .timeout(java.time.Duration.ofSeconds(60))
                .POST(HttpRequest.BodyPublishers.ofByteArray(data)).build();
            answers.add(client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray())
                .thenAccept(answer -> check(answer.body(), data)));
            if (i % 20 == 19)
                CompletableFuture.allOf(answers.toArray(CompletableFuture[]::new)).get(60, TimeUnit.SECONDS);
        }
    }

    static void talk(int port, int http) throws Exception {
        ExecutorService threads = Executors.newCachedThreadPool();
        List<Future<Void>> all = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            int seed = i * 100;
            all.add(threads.submit(() -> streams(port, seed)));
            all.add(threads.submit(() -> channels(port, seed + 1)));
            all.add(threads.submit(() -> futures(port, seed + 2)));
        }
        for (Future<Void> one : all)
            one.get(90, TimeUnit.SECONDS);
        posts(http);
    }

    // ---- closed by another thread

    interface Waiter { void run() throws IOException; }

    // what the waiting thread is told, by the class of its exception
    static String told(Waiter wait, Closeable what) throws Exception {
        CompletableFuture<String> how = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                wait.run();
                how.complete("no exception");
            } catch (IOException e) {
                how.complete(e.getClass().getSimpleName());
            }
        });
        thread.setDaemon(true);
        thread.start();
        while (thread.getState() == Thread.State.NEW)
            Thread.yield();
        Thread.sleep(100);
        what.close();
        return how.get(10, TimeUnit.SECONDS);
    }

    // a connection that has been of use
    static Socket used(int port) throws IOException {
        Socket socket = new Socket("127.0.0.1", port);
        used(socket.getInputStream(), socket.getOutputStream());
        return socket;
    }

    static void used(InputStream in, OutputStream out) throws IOException {
        for (int i = 0; i < 50; i++) {
            out.write(i);
            if (in.read() != i)
                throw new AssertionError("other data");
        }
    }

    static SocketChannel usedChannel(int port) throws IOException {
        SocketChannel channel = SocketChannel.open(local(port));
        used(channel.socket().getInputStream(), channel.socket().getOutputStream());
        return channel;
    }

    static void close(int port) throws Exception {
        Socket socket = used(port);
        System.out.println("read: " + told(() -> socket.getInputStream().read(), socket));
        Socket timed = used(port);
        timed.setSoTimeout(20000);
        System.out.println("read with a time limit: " + told(() -> timed.getInputStream().read(), timed));
        SocketChannel channel = usedChannel(port);
        System.out.println("channel: " + told(() -> channel.read(ByteBuffer.allocate(1)), channel));
        ServerSocket listener = new ServerSocket(0);
        System.out.println("accept: " + told(() -> listener.accept(), listener));
        ServerSocketChannel acceptor = ServerSocketChannel.open().bind(null);
        System.out.println("accept of a channel: " + told(() -> acceptor.accept(), acceptor));
        // nobody reads there: the writer waits for room
        ServerSocket deaf = new ServerSocket(0, 8, InetAddress.getByName("127.0.0.1"));
        Socket full = new Socket("127.0.0.1", deaf.getLocalPort());
        System.out.println("write: " + told(() -> {
            while (true)
                full.getOutputStream().write(new byte[65536]);
        }, full));
        // a thread is interrupted
        SocketChannel mine = usedChannel(port);
        CompletableFuture<String> how = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                mine.read(ByteBuffer.allocate(1));
                how.complete("no exception");
            } catch (IOException e) {
                how.complete(e.getClass().getSimpleName());
            }
        });
        thread.start();
        Thread.sleep(100);
        thread.interrupt();
        System.out.println("interrupted: " + how.get(10, TimeUnit.SECONDS));
        // a selector sees it gone
        Selector selector = Selector.open();
        SocketChannel selected = usedChannel(port);
        selected.configureBlocking(false);
        selected.register(selector, SelectionKey.OP_READ);
        if (selector.select(100) != 0)
            throw new AssertionError("nothing is there");
        selected.close();
        selector.selectNow();
        System.out.println("selector: " + selector.keys().size());
    }

    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[1]);
        switch (args[0]) {
            case "serve" -> serve(port, Integer.parseInt(args[2]));
            case "talk" -> talk(port, Integer.parseInt(args[2]));
            case "close" -> close(port);
        }
        if (!args[0].equals("serve")) {
            System.out.println("all right");
            System.exit(0);
        }
    }
}
