import os

most = 0
while True:
    try:
        if os.fork():
            most += 1
    except OSError as error:
        os.write(1, f"{most} children, then {error.strerror}\n".encode())
